import { useLayoutEffect, useRef, useState, type ReactNode } from 'react';
import { useAudioPlayback, useConnectionState, useRoomContext, useTracks, type TrackReferenceOrPlaceholder } from '@livekit/components-react';
import { ConnectionState, Track } from 'livekit-client';
import { SoundIcon } from '../ui/icons';
import { bestGrid } from './grid';
import { ScreenTile, Tile } from './Tile';
import { useLastSpeaker } from './useLastSpeaker';
import { arrange, seatKey, type ViewMode } from './view';

const gap = 10;

interface StageProps {
  mode: ViewMode;
  pinned: string | undefined;
  onPin: (key: string | undefined) => void;
  showFlow: boolean;
  encrypts: boolean;
}

// Stage shows everyone in the room and what is shared: in a grid, or one large
// and the others under it.
export function Stage({ mode, pinned, onPin, showFlow, encrypts }: StageProps) {
  const room = useRoomContext();
  const speaker = useLastSpeaker();
  const tracks = useTracks(
    [
      { source: Track.Source.Camera, withPlaceholder: true },
      { source: Track.Source.ScreenShare, withPlaceholder: false },
    ],
    { onlySubscribed: false, room },
  );
  const refs = tracks.filter((ref) => ref.source === Track.Source.Camera || ref.publication !== undefined).sort(byArrival);
  const byKey = new Map(refs.map((ref) => [keyOf(ref), ref]));
  const seats = refs.map((ref) => ({
    key: keyOf(ref),
    identity: ref.participant.identity,
    local: ref.participant.isLocal,
    screen: ref.source === Track.Source.ScreenShare,
  }));
  const { large, rest } = arrange(seats, mode, pinned, speaker);
  const alone = room.remoteParticipants.size === 0;

  const tile = (key: string, size: { width: number; height: number } | undefined) => {
    const trackRef = byKey.get(key);
    if (!trackRef) return null;
    const isPinned = key === pinned;
    const props = { trackRef, style: size, pinned: isPinned, onPin: () => onPin(isPinned ? undefined : key), showFlow, encrypts };
    return trackRef.source === Track.Source.ScreenShare ? <ScreenTile key={key} {...props} /> : <Tile key={key} {...props} />;
  };
  const screensOnly = large.every((key) => byKey.get(key)?.source === Track.Source.ScreenShare);

  return (
    <div className="stage" data-testid="stage" data-sharing={seats.some((seat) => seat.screen)} data-mode={mode} data-large={large.join(' ')}>
      <Banners />
      {large.length > 0 &&
        (screensOnly ? <div className="screens">{large.map((key) => tile(key, undefined))}</div> : <TileGrid keys={large} tile={tile} />)}
      {rest.length > 0 && (large.length > 0 ? <Strip>{rest.map((key) => tile(key, undefined))}</Strip> : <TileGrid keys={rest} tile={tile} />)}
      {alone && large.length === 0 && <p className="alone">Nobody else is here yet. Open this page in another tab, or pass on the room’s link.</p>}
    </div>
  );
}

function keyOf(ref: TrackReferenceOrPlaceholder): string {
  return seatKey(ref.participant.identity, ref.source === Track.Source.ScreenShare);
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

function Strip({ children }: { children: ReactNode }) {
  return (
    <div className="tiles" data-strip="true" tabIndex={-1}>
      {children}
    </div>
  );
}

interface TileGridProps {
  keys: readonly string[];
  tile: (key: string, size: { width: number; height: number }) => ReactNode;
}

function TileGrid({ keys, tile }: TileGridProps) {
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
  const { width, height } = bestGrid(keys.length, size.width, size.height, gap, size.width < 420 ? 130 : 190);
  return (
    <div className="tiles" ref={box} data-strip="false">
      {keys.map((key) => tile(key, { width, height }))}
    </div>
  );
}

// byArrival puts oneself first, then who has been here longest; a participant's
// screen comes after their camera.
function byArrival(a: TrackReferenceOrPlaceholder, b: TrackReferenceOrPlaceholder): number {
  if (a.participant.isLocal !== b.participant.isLocal) return a.participant.isLocal ? -1 : 1;
  const arrival = (a.participant.joinedAt?.getTime() ?? 0) - (b.participant.joinedAt?.getTime() ?? 0);
  if (arrival !== 0 || a.participant === b.participant) {
    return arrival || Number(a.source === Track.Source.ScreenShare) - Number(b.source === Track.Source.ScreenShare);
  }
  return a.participant.identity < b.participant.identity ? -1 : 1;
}
