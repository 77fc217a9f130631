import type { RollRecord } from '../roll/record';
import { describe } from '../roll/record';
import type { Scope } from './catalogue';
import type { ClientEntry } from './log';

// What of the two sides is shown.
export interface Filter {
  // Words that an event has to hold, in its name, of whom it is, or what of theirs.
  text: string;
  server: boolean;
  // Client events told at the room, or at a participant.
  room: boolean;
  participant: boolean;
}

export const everything: Filter = { text: '', server: true, room: true, participant: true };

// Moment is what happened at one time, on either side.
export interface Moment {
  key: string;
  // Milliseconds since 1970, by this machine's clock.
  time: number;
  client: readonly ClientEntry[];
  server: readonly RollRecord[];
}

// What lies closer than this to a moment's beginning belongs to it, in
// milliseconds: about the way from here to the server and back.
export const span = 150;

// timeline lays the page's events and the log's records beside each other.
// skew is how far this machine's clock is ahead of the server's.
export function timeline(client: readonly ClientEntry[], server: readonly RollRecord[], filter: Filter, skew = 0): Moment[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  const items = [
    ...client.filter((entry) => showsClient(entry, filter, words)).map((entry) => ({ time: entry.time, entry, record: undefined })),
    ...server
      .filter((record) => filter.server && showsServer(record, words))
      .map((record) => ({ time: Date.parse(record.time) + skew, entry: undefined, record })),
  ].sort((a, b) => a.time - b.time);

  const moments: { key: string; time: number; client: ClientEntry[]; server: RollRecord[] }[] = [];
  for (const { time, entry, record } of items) {
    let moment = moments.at(-1);
    if (!moment || time - moment.time > span) {
      moment = { key: entry ? `c${entry.n}` : `s${record?.seq}`, time, client: [], server: [] };
      moments.push(moment);
    }
    if (entry) moment.client.push(entry);
    else if (record) moment.server.push(record);
  }
  return moments;
}

function showsClient(entry: ClientEntry, filter: Filter, words: readonly string[]): boolean {
  const shown = (scope: Scope) => filter[scope];
  return entry.scopes.some(shown) && holds(words, entry.name, entry.who, entry.identity, entry.what);
}

function showsServer(record: RollRecord, words: readonly string[]): boolean {
  const { who, what } = describe(record);
  return holds(words, record.name, who, record.identity, what);
}

function holds(words: readonly string[], ...fields: string[]): boolean {
  const text = fields.join(' ').toLowerCase();
  return words.every((word) => text.includes(word));
}

// clockSkew is how far this machine's clock is ahead of the server's, from the
// least time that a record seemed to take: clocks that agree give a little more
// than nothing. Less than a second of it may be the way.
export function clockSkew(least: number): number {
  return least < -20 || (least > 1000 && least < Infinity) ? least : 0;
}
