import { useCallback, useReducer } from 'react';
import type { Room } from 'livekit-client';
import { emptyLog, logReducer, type ClientLog } from './log';
import { watchRoom } from './watch';

// useClientLog keeps what the SDK tells of every room that it is given to watch.
export function useClientLog(): { log: ClientLog; watch: (room: Room) => void } {
  const [log, tell] = useReducer(logReducer, emptyLog);
  const watch = useCallback((room: Room) => watchRoom(room, tell), []);
  return { log, watch };
}
