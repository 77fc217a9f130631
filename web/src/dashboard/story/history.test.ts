import { expect, test } from 'vitest';
import { ending, hasLive, historyPath, isBehind, rows, withFresh, type HistoryPage, type Session } from './history';

const all = { text: '', room: '', state: 'all', day: '' } as const;

test('the request says what is asked for, and no more', () => {
  expect(historyPath(all, 0)).toBe('/history?limit=100');
  expect(historyPath({ ...all, text: ' a&b ', room: 'den', state: 'open' }, 42)).toBe('/history?limit=100&q=a%26b&room=den&open=true&before=42');
  expect(historyPath({ ...all, state: 'over', day: '2026-11-27' }, 0)).toBe(
    `/history?limit=100&open=false&until=${encodeURIComponent(new Date(2026, 10, 28).toISOString())}`,
  );
  expect(historyPath({ ...all, day: 'x' }, 0)).toBe('/history?limit=100');
});

const session = (sid: string, startedAt: Date): Session => ({
  room: 'den', sid, open: false, first: 1, events: 2, startedAt: startedAt.toISOString(), participants: 1,
});

test('sessions stand under the days on which they began, each once', () => {
  const now = new Date(2026, 10, 27, 0, 30);
  const page = (...sessions: Session[]) => ({ sessions, cursor: 1, done: false });
  const late = session('RM_3', new Date(2026, 10, 26, 23, 59));
  const list = rows(
    [page(session('RM_4', new Date(2026, 10, 27, 0, 10)), late), page(late, session('RM_2', new Date(2026, 10, 26, 1)), session('RM_1', new Date(2026, 10, 20)))],
    now,
  );
  expect(list.map((row) => (row.kind === 'day' ? row.label : row.session.sid)).slice(0, 5)).toEqual(['Today', 'RM_4', 'Yesterday', 'RM_3', 'RM_2']);
  expect(list[5]).toMatchObject({ kind: 'day', label: expect.stringMatching(/20.*2026|2026.*20/) });
  expect(new Set(list.map((row) => row.key)).size).toBe(list.length);
});

test('the first page as it is now has the last word on what it covers', () => {
  const page = (done: boolean, ...firsts: number[]): HistoryPage => ({
    sessions: firsts.map((first) => ({ ...session(`RM_${first}`, new Date(2026, 10, 27)), first, open: true })), cursor: firsts.at(-1) ?? 1, done,
  });
  const sids = (pages: HistoryPage[]) => pages.flatMap(({ sessions }) => sessions.map(({ sid }) => sid));
  const before = [page(false, 90, 80, 70), page(true, 60, 50)];
  expect(sids(withFresh(before, undefined))).toEqual(['RM_90', 'RM_80', 'RM_70', 'RM_60', 'RM_50']);
  // RM_80 is over, and not among those that are live any more.
  expect(sids(withFresh(before, page(false, 95, 90, 70)))).toEqual(['RM_95', 'RM_90', 'RM_70', 'RM_60', 'RM_50']);
  expect(sids(withFresh(before, page(true)))).toEqual([]);

  expect(isBehind(before, page(false, 110, 100, 95))).toBe(true);
  expect(isBehind(before, page(false, 110, 100, 90))).toBe(false);
  expect(isBehind(before, page(true, 110, 100))).toBe(false);
  expect(isBehind(before, undefined) || isBehind([], page(false, 110)) || isBehind([page(true)], page(false))).toBe(false);

  expect(hasLive(before)).toBe(true);
  expect(hasLive([page(false, 90), { ...page(true, 60), sessions: [session('RM_60', new Date())] }])).toBe(false);
});

test('an end is told in words', () => {
  expect(ending('server', 'departure_timeout')).toBe('departure timeout');
  expect(ending('api', 'room_deleted')).toBe('room deleted, through the API');
  expect(ending('crash', 'server_crash')).toBe('the server went down');
  expect(ending(undefined, undefined)).toBe('');
});
