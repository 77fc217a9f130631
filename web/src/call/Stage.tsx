import { useLayoutEffect, useRef, useState } from 'react';
import { useAudioPlayback, useConnectionState, useRoomContext, useTracks, type TrackReferenceOrPlaceholder } from '@livekit/components-react';
import { ConnectionState, Track } from 'livekit-client';
import { SoundIcon } from '../ui/icons';
import { bestGrid } from './grid';
import { ScreenTile, Tile } from './Tile';

const gap = 10;

// Stage shows everyone in the room, and above them what is shared.
export function Stage() {
  const room = useRoomContext();
  const tracks = useTracks(
    [
      { source: Track.Source.Camera, withPlaceholder: true },
      { source: Track.Source.ScreenShare, withPlaceholder: false },
    ],
    { onlySubscribed: false, room },
  );
  const screens = tracks.filter((ref) => ref.source === Track.Source.ScreenShare && ref.publication !== undefined);
  const people = tracks.filter((ref) => ref.source === Track.Source.Camera).sort(byArrival);
  const alone = room.remoteParticipants.size === 0;

  return (
    <div className="stage" data-sharing={screens.length > 0}>
      <Banners />
      {screens.length > 0 && (
        <div className="screens">
          {screens.map((ref) => (
            <ScreenTile key={ref.publication?.trackSid} trackRef={ref} />
          ))}
        </div>
      )}
      <TileGrid people={people} strip={screens.length > 0} />
      {alone && screens.length === 0 && <p className="alone">Nobody else is here yet. Open this page in another tab, or pass on the room’s link.</p>}
    </div>
  );
}

function Banners() {
  const room = useRoomContext();
  const state = useConnectionState(room);
  const { canPlayAudio, startAudio } = useAudioPlayback(room);
  const reconnecting = state === ConnectionState.Reconnecting || state === ConnectionState.SignalReconnecting;
  return (
    <>
      {reconnecting && (
        <div className="banner" data-testid="reconnecting" role="status">
          Connection interrupted. Reconnecting…
        </div>
      )}
      {!canPlayAudio && state === ConnectionState.Connected && (
        <div className="banner" role="status">
          <span>The browser holds the sound back until you ask for it.</span>
          <button type="button" className="button primary small" data-testid="start-audio" onClick={() => void startAudio()}>
            <SoundIcon />
            Start audio
          </button>
        </div>
      )}
    </>
  );
}

function TileGrid({ people, strip }: { people: TrackReferenceOrPlaceholder[]; strip: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setSize({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const grid = bestGrid(people.length, size.width, size.height, gap, size.width < 420 ? 130 : 190);
  const tile = strip ? undefined : { width: grid.width, height: grid.height };
  return (
    <div className="tiles" ref={box} data-strip={strip}>
      {people.map((ref) => (
        <Tile key={ref.participant.identity || 'me'} trackRef={ref} style={tile} />
      ))}
    </div>
  );
}

// byArrival puts oneself first, then who has been here longest.
function byArrival(a: TrackReferenceOrPlaceholder, b: TrackReferenceOrPlaceholder): number {
  if (a.participant.isLocal !== b.participant.isLocal) return a.participant.isLocal ? -1 : 1;
  return (a.participant.joinedAt?.getTime() ?? 0) - (b.participant.joinedAt?.getTime() ?? 0);
}
