// Session is a room session, as GET /history lists it. Times are RFC 3339.
export interface Session {
  room: string;
  sid: string;
  open: boolean;
  first: number;
  last?: number;
  events: number;
  startedAt: string;
  endedAt?: string;
  participants: number;
  actor?: string;
  reason?: string;
  synthesized?: boolean;
}

export interface HistoryPage {
  sessions: Session[];
  cursor: number;
  done: boolean;
}

export interface HistoryQuery {
  text: string;
  // Of a room of exactly this name; empty: of all.
  room: string;
  state: 'all' | 'open' | 'over';
  // A local date such as 2026-11-27: that began on this day or before it; empty: all.
  day: string;
}

// historyPath is the request for a page; cursor is that of the page before.
export function historyPath(query: HistoryQuery, cursor: number): string {
  const asked = new URLSearchParams({ limit: '100' });
  if (query.text.trim() !== '') asked.set('q', query.text.trim());
  if (query.room !== '') asked.set('room', query.room);
  if (query.state !== 'all') asked.set('open', String(query.state === 'open'));
  const end = endOfDay(query.day);
  if (end !== undefined) asked.set('until', end.toISOString());
  if (cursor > 0) asked.set('before', String(cursor));
  return `/history?${asked}`;
}

function endOfDay(day: string): Date | undefined {
  const [year, month, date] = day.split('-').map(Number);
  if (!year || !month || !date) return undefined;
  return new Date(year, month - 1, date + 1);
}

// withFresh puts the first page as it is now before those that were read before. It has
// the last word on what it covers: a session that it lacks is not asked for any more, as
// one that is over among those that are live.
export function withFresh(pages: readonly HistoryPage[], fresh: HistoryPage | undefined): HistoryPage[] {
  if (!fresh) return [...pages];
  const least = fresh.done ? 0 : fresh.cursor;
  return [fresh, ...pages.map((page) => ({ ...page, sessions: page.sessions.filter(({ first }) => first < least) }))];
}

// isBehind says that sessions may be missing between the first page as it is now and
// those that were read before: more have begun since than it holds.
export function isBehind(pages: readonly HistoryPage[], fresh: HistoryPage | undefined): boolean {
  if (!fresh || fresh.done || fresh.sessions.length === 0 || pages.length === 0) return false;
  return (pages[0]?.sessions[0]?.first ?? 0) < fresh.cursor;
}

// hasLive says that pages behind the first, which nobody reads again and again, have
// sessions that may be over by now.
export function hasLive(pages: readonly HistoryPage[]): boolean {
  return pages.slice(1).some(({ sessions }) => sessions.some(({ open }) => open));
}

// Row is a line of the list: a day, or a session that began on it.
export type Row = { kind: 'day'; key: string; label: string } | { kind: 'session'; key: string; session: Session };

// rows puts the days between the sessions, which come the newest first. A session
// that two pages have, as when one began between them, is there once, as the
// first page has it.
export function rows(pages: readonly HistoryPage[], now: Date): Row[] {
  const out: Row[] = [];
  const seen = new Set<string>();
  let day = '';
  for (const session of pages.flatMap((page) => page.sessions)) {
    if (seen.has(session.sid)) continue;
    seen.add(session.sid);
    const label = dayLabel(new Date(session.startedAt), now);
    if (label !== day) out.push({ kind: 'day', key: `${label} ${session.sid}`, label: (day = label) });
    out.push({ kind: 'session', key: session.sid, session });
  }
  return out;
}

function dayLabel(at: Date, now: Date): string {
  const days = Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days === 0) return 'Today';
  if (days === 1) return 'Yesterday';
  return at.toLocaleDateString(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
}

// ending says who ended a session and why, in words.
export function ending(actor: string | undefined, reason: string | undefined): string {
  const why = (reason ?? '').toLowerCase().replaceAll('_', ' ');
  switch (actor) {
    case 'crash':
      return 'the server went down';
    case 'api':
      return why === '' ? 'through the API' : `${why}, through the API`;
    default:
      return why;
  }
}
