import { useSyncExternalStore } from 'react';
import type { FeedState } from './feed';

// The feeds that are open on the page: the shell says when one of them is broken.
const feeds = new Map<symbol, FeedState>();
const listeners = new Set<() => void>();

// reportFeed notes the state of a feed, or that it is not followed any more.
export function reportFeed(id: symbol, state: FeedState | undefined): void {
  if (state === undefined) feeds.delete(id);
  else feeds.set(id, state);
  for (const listener of listeners) listener();
}

export type Health = 'none' | 'connecting' | 'live' | 'waiting';

function health(): Health {
  const states = [...feeds.values()];
  if (states.includes('waiting')) return 'waiting';
  if (states.includes('connecting')) return 'connecting';
  return states.includes('live') ? 'live' : 'none';
}

// useHealth is the worst state of all feeds.
export function useHealth(): Health {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, health);
}
