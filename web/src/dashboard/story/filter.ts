import type { StoryEvent } from './event';

// Kind groups events for the filter of the timeline.
export type Kind = 'room' | 'people' | 'tracks' | 'connection' | 'voice';

export const kinds: readonly { kind: Kind; label: string }[] = [
  { kind: 'people', label: 'People' },
  { kind: 'tracks', label: 'Tracks' },
  { kind: 'connection', label: 'Connection' },
  { kind: 'voice', label: 'Speech' },
  { kind: 'room', label: 'Room and data' },
];

// kindOf is the group of an event. What is new belongs to the room.
export function kindOf(name: string): Kind {
  if (name === 'participant_spoke') return 'voice';
  if (/connection|reconnecting|resumed|subscription_failed/.test(name) && name !== 'participant_connection_aborted') return 'connection';
  if (name.startsWith('participant_')) return 'people';
  if (name.startsWith('track_')) return 'tracks';
  return 'room';
}

export interface Filter {
  kinds: ReadonlySet<Kind>; // empty: all
  // Part of a name, identity, event or reason.
  text: string;
  identity: string; // empty: everybody's
}

// matches returns the events that a filter lets through.
export function matches(events: readonly StoryEvent[], filter: Filter): readonly StoryEvent[] {
  const text = filter.text.trim().toLowerCase();
  if (filter.kinds.size === 0 && text === '' && filter.identity === '') return events;
  return events.filter(
    (event) =>
      (filter.kinds.size === 0 || filter.kinds.has(kindOf(event.name))) &&
      (filter.identity === '' || event.identity === filter.identity) &&
      (text === '' || `${event.name} ${event.who} ${event.identity} ${event.what} ${event.reason} ${event.seq}`.toLowerCase().includes(text)),
  );
}

// nearest is the index of the last event that is no newer than seq, or -1.
export function nearest(events: readonly StoryEvent[], seq: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if ((events[mid]?.seq ?? 0) <= seq) low = mid + 1;
    else high = mid;
  }
  return low - 1;
}
