import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, useState } from 'react';
import { api } from '../api/client';
import { Empty, Loading, Problem } from '../ui/states';
import { plural } from '../ui/format';

// RoomState is what GET /rooms/{sid}/state tells, as far as it is shown.
interface RoomState {
  seq: number;
  roomSeq: number;
  live: boolean;
  whole: boolean;
  room: { name: string; metadata: string } | null;
  participants: { connection: 'connecting' | 'connected' | 'lost' | 'reconnecting'; info: Info }[];
}

interface Info {
  sid: string;
  identity: string;
  name: string;
  metadata: string;
  attributes: Record<string, string>;
  tracks: { sid: string; type: string; source: string; muted: boolean; name: string }[];
}

// StateAt is the room as its events up to seq tell of it.
export function StateAt({ sid, seq }: { sid: string; seq: number }) {
  const asked = useSettled(seq, 120);
  const query = useQuery({
    queryKey: ['state', sid, asked],
    queryFn: ({ signal }) => api<RoomState>(`/rooms/${encodeURIComponent(sid)}/state?seq=${asked}`, { signal }),
    staleTime: Infinity, // what was, was
    gcTime: 30_000,
    placeholderData: keepPreviousData,
    enabled: asked > 0,
  });
  if (query.isError) return <Problem error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) return <Loading what="the state" />;
  return <Shown state={query.data} />;
}

// useSettled is a value once it has not changed for a moment: a slider is dragged
// past thousands of events.
function useSettled(value: number, ms: number): number {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled === 0 ? value : settled;
}

const connections = { connecting: 'warn', connected: 'good', lost: 'bad', reconnecting: 'warn' } as const;

function Shown({ state }: { state: RoomState }) {
  const scroller = useRef<HTMLDivElement>(null);
  const { participants } = state;
  const virtual = useVirtualizer({
    count: participants.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 56,
    overscan: 6,
    getItemKey: (index) => participants[index]?.info.sid ?? index,
  });
  return (
    <div className="state-at" data-testid="state" data-seq={state.seq} data-live={state.live} data-people={participants.length}>
      <p className="state-sum">
        {state.live ? (participants.length === 0 ? 'The room is open and empty.' : `${plural(participants.length, 'person is', 'people are')} in the room.`) : 'The session is over.'}
        {!state.whole && ' Its beginning has left the log: somebody may be missing.'}
        {state.room?.metadata ? (
          <>
            {' '}
            Metadata: <code>{state.room.metadata}</code>
          </>
        ) : null}
      </p>
      {participants.length === 0 && !state.live && <Empty title="Nobody is left">Move the slider back to see who was in.</Empty>}
      <div className="state-people" ref={scroller}>
        <ul style={{ height: `${virtual.getTotalSize()}px` }} aria-label="People at this event">
          {virtual.getVirtualItems().map((item) => {
            const participant = participants[item.index];
            if (!participant) return null;
            const { info, connection } = participant;
            return (
              <li key={item.key} data-testid="state-person" data-identity={info.identity} style={{ height: `${item.size}px`, transform: `translateY(${item.start}px)` }}>
                <strong title={info.metadata}>{info.name || info.identity}</strong>
                <span className="tag" data-tone={connections[connection]}>
                  {connection}
                </span>
                <span className="tags">
                  {info.tracks.length === 0 && <small>publishes nothing</small>}
                  {info.tracks.map((track) => (
                    <span key={track.sid} className="tag" data-muted={track.muted}>
                      {(track.source === 'UNKNOWN' ? track.type : track.source).toLowerCase().replaceAll('_', ' ')}
                      {track.muted && ', muted'}
                    </span>
                  ))}
                </span>
              </li>
            );
          })}
        </ul>
      </div>
    </div>
  );
}
