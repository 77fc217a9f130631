import { useState, type CSSProperties } from 'react';
import { isTrackReference, useIsSpeaking, useParticipantAttribute, useTrackMutedIndicator, VideoTrack, type TrackReferenceOrPlaceholder } from '@livekit/components-react';
import { HandIcon, LockIcon, MicIcon, MicOffIcon, ScreenIcon } from '../ui/icons';
import { displayName, initials } from './names';
import { Quality } from './Quality';
import { stuckEnough } from './reception';
import { handAttribute } from './Reactions';
import { FlowNote, TileTools } from './TileTools';
import { useFlow } from './useFlow';
import { useMedia } from './useMedia';

interface TileProps {
  trackRef: TrackReferenceOrPlaceholder;
  style: CSSProperties | undefined;
  pinned: boolean;
  onPin: () => void;
  // Write on it what arrives.
  showFlow: boolean;
  // Whether this page can decrypt.
  encrypts: boolean;
}

// Tile is one participant: camera picture or initials, name, and how they are.
export function Tile({ trackRef, style, pinned, onPin, showFlow, encrypts }: TileProps) {
  const { participant } = trackRef;
  const speaking = useIsSpeaking(participant);
  const media = useMedia(participant);
  const raised = useParticipantAttribute(handAttribute, { participant }) === 'raised';
  const name = displayName(participant);
  const publication = isTrackReference(trackRef) ? trackRef.publication : undefined;
  const { asked, setAsked, encrypted, locked, flow } = usePicture(trackRef, showFlow, encrypts);
  // A picture that does not fit the passphrase stays, under word of it: out of sight
  // it would not be sent, and nobody could tell when it fits again.
  const picture = publication?.track !== undefined && media.camera && (!locked || encrypts);
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
      data-encrypted={encrypted}
      data-locked={locked}
      data-hand={raised}
      data-pinned={pinned}
      data-asked={asked}
    >
      {picture && isTrackReference(trackRef) ? (
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
      {locked && <Locked encrypts={encrypts} />}
      {raised && (
        <span className="tile-hand" role="img" aria-label={`${name} raised a hand`} title="Hand raised">
          <HandIcon />
        </span>
      )}
      {showFlow && <FlowNote flow={flow} />}
      <TileTools name={name} publication={media.camera ? publication : undefined} flow={flow} onOpen={setAsked} pinned={pinned} onPin={onPin} />
      <footer className="tile-label">
        <span className="tile-mic" data-on={media.microphone} title={media.microphone ? 'Microphone on' : 'Microphone off'}>
          {media.microphone ? <MicIcon /> : <MicOffIcon />}
        </span>
        <span className="tile-name">
          {name}
          {participant.isLocal && <em> (you)</em>}
        </span>
        {encrypted && <Encrypted />}
        <Quality participant={participant} />
      </footer>
    </article>
  );
}

// ScreenTile is a shared screen, whole.
export function ScreenTile({ trackRef, style, pinned, onPin, showFlow, encrypts }: TileProps) {
  const { participant } = trackRef;
  const name = displayName(participant);
  const { asked, setAsked, encrypted, locked, flow } = usePicture(trackRef, showFlow, encrypts);
  if (!isTrackReference(trackRef)) return null;
  return (
    <article
      className="tile screen"
      style={style}
      aria-label={participant.isLocal ? 'Your shared screen' : `${name}’s screen`}
      data-testid="screen-tile"
      data-identity={participant.identity}
      data-local={participant.isLocal}
      data-encrypted={encrypted}
      data-locked={locked}
      data-pinned={pinned}
      data-asked={asked}
    >
      {(!locked || encrypts) && (
        <VideoTrack trackRef={trackRef} className="tile-video" data-testid="tile-video" data-identity={participant.identity} data-source="screen_share" />
      )}
      {locked && <Locked encrypts={encrypts} />}
      {showFlow && <FlowNote flow={flow} />}
      <TileTools name={`${name}’s screen`} publication={trackRef.publication} flow={flow} onOpen={setAsked} pinned={pinned} onPin={onPin} />
      <footer className="tile-label">
        <span className="tile-mic" data-on="true">
          <ScreenIcon />
        </span>
        <span className="tile-name">{participant.isLocal ? 'You are sharing this' : `${name} shares this`}</span>
        {encrypted && <Encrypted />}
      </footer>
    </article>
  );
}

// usePicture is what a tile knows of its picture: whether it is encrypted, whether
// this page can read it, and what flows.
function usePicture(trackRef: TrackReferenceOrPlaceholder, showFlow: boolean, encrypts: boolean) {
  const [asked, setAsked] = useState(false);
  const publication = isTrackReference(trackRef) ? trackRef.publication : undefined;
  const { isMuted } = useTrackMutedIndicator(trackRef);
  const remote = !trackRef.participant.isLocal;
  const encrypted = publication?.isEncrypted === true;
  // Whether a passphrase fits is only told by pictures that do or do not come of it.
  const flow = useFlow(publication, asked || showFlow || (encrypted && remote && encrypts && !isMuted));
  const locked = remote && encrypted && (!encrypts || (flow.received?.stuck ?? 0) >= stuckEnough);
  return { asked, setAsked, encrypted, locked, flow };
}

function Encrypted() {
  return (
    <span className="tile-lock" role="img" aria-label="Encrypted end to end" title="Encrypted end to end">
      <LockIcon />
    </span>
  );
}

function Locked({ encrypts }: { encrypts: boolean }) {
  return (
    <p className="tile-locked" data-testid="locked">
      <LockIcon />
      {encrypts ? 'Encrypted with another passphrase' : 'Encrypted: join with the passphrase to see it'}
    </p>
  );
}
