import type { CSSProperties } from 'react';
import { isTrackReference, useIsSpeaking, VideoTrack, type TrackReferenceOrPlaceholder } from '@livekit/components-react';
import { MicIcon, MicOffIcon, ScreenIcon } from '../ui/icons';
import { displayName, initials } from './names';
import { Quality } from './Quality';
import { useMedia } from './useMedia';

// Tile is one participant: camera picture or initials, name, and how they are.
export function Tile({ trackRef, style }: { trackRef: TrackReferenceOrPlaceholder; style: CSSProperties | undefined }) {
  const { participant } = trackRef;
  const speaking = useIsSpeaking(participant);
  const media = useMedia(participant);
  const name = displayName(participant);
  const picture = isTrackReference(trackRef) && media.camera;
  return (
    <article
      className="tile"
      style={style}
      aria-label={participant.isLocal ? `${name}, you` : name}
      data-testid="participant"
      data-identity={participant.identity}
      data-local={participant.isLocal}
      data-speaking={speaking}
      data-mic={media.microphone ? 'on' : 'off'}
      data-camera={media.camera ? 'on' : 'off'}
    >
      {picture ? (
        <VideoTrack
          trackRef={trackRef}
          className="tile-video"
          data-testid="tile-video"
          data-identity={participant.identity}
          data-source="camera"
          data-mirrored={participant.isLocal}
        />
      ) : (
        <span className="monogram" aria-hidden="true">
          {initials(name)}
        </span>
      )}
      <footer className="tile-label">
        <span className="tile-mic" data-on={media.microphone} title={media.microphone ? 'Microphone on' : 'Microphone off'}>
          {media.microphone ? <MicIcon /> : <MicOffIcon />}
        </span>
        <span className="tile-name">
          {name}
          {participant.isLocal && <em> (you)</em>}
        </span>
        <Quality participant={participant} />
      </footer>
    </article>
  );
}

// ScreenTile is a shared screen, whole.
export function ScreenTile({ trackRef }: { trackRef: TrackReferenceOrPlaceholder }) {
  const { participant } = trackRef;
  const name = displayName(participant);
  if (!isTrackReference(trackRef)) return null;
  return (
    <article
      className="tile screen"
      aria-label={participant.isLocal ? 'Your shared screen' : `${name}’s screen`}
      data-testid="screen-tile"
      data-identity={participant.identity}
    >
      <VideoTrack trackRef={trackRef} className="tile-video" data-testid="tile-video" data-identity={participant.identity} data-source="screen_share" />
      <footer className="tile-label">
        <span className="tile-mic" data-on="true">
          <ScreenIcon />
        </span>
        <span className="tile-name">{participant.isLocal ? 'You are sharing this' : `${name} shares this`}</span>
      </footer>
    </article>
  );
}
