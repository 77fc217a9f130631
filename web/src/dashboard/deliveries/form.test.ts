import { expect, test } from 'vitest';
import type { Endpoint } from './endpoint';
import { inputOf, InvalidInput, localTime, recoverOf, shownList } from './form';

function form(fields: Record<string, string>): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  return data;
}

const filled = {
  url: ' https://example.com/hook ', description: 'CRM', events: 'room_*, participant_*\ntrack_published', exclude: '', rooms: 'class-*',
  mode: 'ordered', format: 'livekit', rate: '', headers: 'X-Tenant: 7\n\nX-Time: 10:30', block: 'on',
};

test('a form becomes an endpoint', () => {
  expect(inputOf(form(filled))).toEqual({
    url: 'https://example.com/hook', description: 'CRM',
    filter: { events: ['room_*', 'participant_*', 'track_published'], exclude: [], rooms: ['class-*'] },
    mode: 'ordered', format: 'livekit', fullTrackContext: false, block: true, rate: 0, headers: { 'X-Tenant': '7', 'X-Time': '10:30' },
  });
});

test('an edited endpoint keeps what the server does not tell', () => {
  const edited = { url: 'https://example.com/hook', headers: ['X-Tenant'], filter: {} } as Endpoint;
  const kept = inputOf(form({ ...filled, headers: ' \n' }), edited);
  expect(kept).not.toHaveProperty('url');
  expect(kept).not.toHaveProperty('headers');
  const changed = inputOf(form({ ...filled, url: 'https://example.com/other' }), edited);
  expect(changed).toMatchObject({ url: 'https://example.com/other', headers: { 'X-Tenant': '7', 'X-Time': '10:30' } });
});

test('rooms may have spaces in their names, and lists that are left alone stay as they are', () => {
  expect(inputOf(form({ ...filled, rooms: 'Board room, class-*,' })).filter.rooms).toEqual(['Board room', 'class-*']);
  const filter = { events: ['room_*'], exclude: [], rooms: ['Board room', 'a, b'] };
  const edited = { url: '', headers: [], filter } as unknown as Endpoint;
  const shown = { ...filled, events: 'room_*', rooms: shownList(filter.rooms) };
  expect(inputOf(form(shown), edited).filter).toEqual(filter);
  expect(inputOf(form({ ...shown, rooms: '' }), edited).filter.rooms).toEqual([]);
  expect(inputOf(form({ ...shown, rooms: `${shown.rooms}, c` }), edited).filter.rooms).toEqual(['Board room', 'a', 'b', 'c']);
});

test('what is wrong is said', () => {
  expect(() => inputOf(form({ ...filled, headers: 'nonsense' }))).toThrow(/“nonsense” is no header/);
  expect(() => inputOf(form({ ...filled, rate: 'fast' }))).toThrow(InvalidInput);
  expect(() => inputOf(form({ ...filled, rate: '-1' }))).toThrow(InvalidInput);
  for (const seq of ['', '0', '1.5', 'x']) expect(() => recoverOf(form({ from: 'seq', seq }))).toThrow(InvalidInput);
  expect(() => recoverOf(form({ from: 'time', since: '' }))).toThrow(/time/);
});

test('a recovery begins with an event or with a time', () => {
  expect(recoverOf(form({ from: 'seq', seq: '42', rate: '10', since: '2026-11-27T10:00' }))).toEqual({ after: 41, rate: 10 });
  const since = new Date(2026, 10, 27, 9, 5);
  expect(localTime(since)).toBe('2026-11-27T09:05');
  expect(recoverOf(form({ from: 'time', seq: '', since: localTime(since), rate: '' }))).toEqual({ since: since.toISOString() });
});
