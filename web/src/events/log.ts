import { clientEvents, type ClientEvent, type ClientEventName, type Scope } from './catalogue';

// How many entries are held; older ones are let go, and counted.
export const heldEntries = 1000;

// Two tellings of one event come in the same task: the participant's, then the
// room's. In milliseconds, with room for a busy page.
const together = 50;
// How far back the first of them may lie.
const lookBack = 16;

// Telling is one call of a listener.
export interface Telling {
  name: ClientEventName;
  scope: Scope;
  // Milliseconds since 1970, by this machine's clock.
  time: number;
  // Whom it is about; empty for the room.
  identity: string;
  who: string;
  what: string;
  // Its arguments, as JSON has them.
  body: unknown;
}

// ClientEntry is an event, told at the room, at a participant, or at both.
export interface ClientEntry extends Omit<Telling, 'scope'> {
  // From 1, in the order of arrival.
  n: number;
  scopes: readonly Scope[];
}

// ClientLog is what the SDK has told since the page was opened.
export interface ClientLog {
  entries: readonly ClientEntry[];
  // How many there were, with those let go.
  total: number;
  seen: Readonly<Partial<Record<ClientEventName, { count: number; scopes: readonly Scope[] }>>>;
}

export const emptyLog: ClientLog = { entries: [], total: 0, seen: {} };

export function logReducer(log: ClientLog, telling: Telling): ClientLog {
  const { scope, ...event } = telling;
  const at = log.entries.findLastIndex(
    (entry, i) => i >= log.entries.length - lookBack && isSame(entry, telling) && !entry.scopes.includes(scope),
  );
  const before = log.seen[event.name];
  const scopes = before?.scopes.includes(scope) ? before.scopes : [...(before?.scopes ?? []), scope];
  if (at >= 0) {
    const entries = log.entries.slice();
    const entry = entries[at] as ClientEntry;
    entries[at] = { ...entry, scopes: inOrder([...entry.scopes, scope]) };
    return { ...log, entries, seen: { ...log.seen, [event.name]: { count: before?.count ?? 1, scopes: inOrder(scopes) } } };
  }
  const total = log.total + 1;
  return {
    entries: [...log.entries.slice(-(heldEntries - 1)), { ...event, n: total, scopes: [scope] }],
    total,
    seen: { ...log.seen, [event.name]: { count: (before?.count ?? 0) + 1, scopes: inOrder(scopes) } },
  };
}

// seen tells whether an event was told wherever SDKs tell of it.
export function seen(log: ClientLog, event: ClientEvent & { name: ClientEventName }): 'no' | 'partly' | 'yes' {
  const scopes = log.seen[event.name]?.scopes;
  if (!scopes) return 'no';
  return event.scopes.every((scope) => scopes.includes(scope)) ? 'yes' : 'partly';
}

// seenCount is how many of the 23 have been, wherever they are told.
export function seenCount(log: ClientLog): number {
  return clientEvents.filter((event) => seen(log, event) === 'yes').length;
}

function isSame(entry: ClientEntry, telling: Telling): boolean {
  return (
    entry.name === telling.name &&
    entry.identity === telling.identity &&
    entry.what === telling.what &&
    Math.abs(entry.time - telling.time) <= together
  );
}

function inOrder(scopes: readonly Scope[]): readonly Scope[] {
  return (['room', 'participant'] as const).filter((scope) => scopes.includes(scope));
}
