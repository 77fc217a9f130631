import { expect, test } from 'vitest';
import { mergeLines, type RoomLine, type RoomsMessage } from './figures';
import { mergeRoom, sizeOf, type ParticipantInfo, type RoomMessage, type TrackInfo } from './room';

const line = (sid: string, participants: number) => ({ sid, name: sid, participants }) as RoomLine;
const rooms = (full: boolean, lines: RoomLine[], gone: string[] = []): RoomsMessage => ({ at: '', full, rooms: lines, gone });

test('lines of rooms change, come and go; the others stay the same objects', () => {
  const first = mergeLines(new Map(), [rooms(true, [line('a', 1), line('b', 1)])]);
  const second = mergeLines(first, [rooms(false, [line('b', 2), line('c', 3)]), rooms(false, [], ['c'])]);
  expect([...second.values()].map((l) => [l.sid, l.participants])).toEqual([['a', 1], ['b', 2]]);
  expect(second.get('a')).toBe(first.get('a'));
  expect([...mergeLines(second, [rooms(true, [line('z', 9)])]).keys()]).toEqual(['z']);
});

const info = (identity: string) => ({ identity }) as ParticipantInfo;
function message(full: boolean, order: string[], people: { sid: string; quality: string; info?: ParticipantInfo; client?: null }[]): RoomMessage {
  return { at: '', full, live: true, room: null, subscriptions: 0, order, participants: people as unknown as RoomMessage['participants'] };
}

test('info is told once and kept, in the order of the room', () => {
  const first = mergeRoom(undefined, [
    message(true, ['b', 'a'], [{ sid: 'a', quality: 'good', info: info('ana'), client: null }, { sid: 'b', quality: 'good', info: info('ben') }]),
  ]);
  const second = mergeRoom(first, [message(false, ['b', 'a'], [{ sid: 'a', quality: 'poor' }])]);
  expect(second?.people.map((p) => [p.info.identity, p.quality])).toEqual([['ben', 'good'], ['ana', 'poor']]);
  expect(second?.people[0]).toBe(first?.people[0]);
  const third = mergeRoom(second, [message(false, ['a'], [])]);
  expect(third?.people.map((p) => p.sid)).toEqual(['a']);
  expect(mergeRoom(third, [message(false, ['a', 'x'], [{ sid: 'x', quality: 'good' }])])?.people.map((p) => p.sid)).toEqual(['a']);
  expect(mergeRoom(third, [message(true, [], [])])?.people).toEqual([]);
});

test('a layer has the size that it was announced with, whatever the order', () => {
  const layers = [{ quality: 'HIGH', width: 1280, height: 720 }, { quality: 'LOW', width: 320, height: 180 }, { quality: 'MEDIUM', width: 640, height: 360 }];
  const track = { width: 1280, height: 720, layers: [], codecs: [{ mimeType: 'video/VP8', layers }] } as unknown as TrackInfo;
  expect([0, 1, 2].map((l) => sizeOf(track, l, 3)?.width)).toEqual([320, 640, 1280]);
  expect(sizeOf({ ...track, codecs: [] }, 0, 1)).toEqual({ width: 1280, height: 720 });
  expect(sizeOf({ ...track, width: 0, codecs: [] }, 0, 1)).toBeUndefined();
});
