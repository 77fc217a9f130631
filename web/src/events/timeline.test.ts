import { describe, expect, it } from 'vitest';
import type { RollRecord } from '../roll/record';
import type { ClientEntry } from './log';
import { clockSkew, everything, span, timeline, type Filter } from './timeline';

function entry(n: number, time: number, more: Partial<ClientEntry> = {}): ClientEntry {
  return { n, time, name: 'TrackMuted', scopes: ['room', 'participant'], identity: 'ana-x', who: 'Ana', what: 'camera', body: {}, ...more };
}

function record(seq: number, time: number, more: Partial<RollRecord> = {}): RollRecord {
  return {
    seq,
    roomSeq: seq,
    id: `EV_${seq}`,
    name: 'track_published',
    time: new Date(time).toISOString(),
    room: 'demo',
    roomSid: 'RM_1',
    participantSid: 'PA_1',
    identity: 'ben-y',
    trackSid: 'TR_1',
    synthesized: false,
    body: { participant: { name: 'Ben' }, track: { source: 'MICROPHONE' } },
    ...more,
  };
}

const sizes = (moments: ReturnType<typeof timeline>) => moments.map((m) => [m.client.map((e) => e.n), m.server.map((r) => r.seq)]);

describe('timeline', () => {
  it('lays what happened at one time beside each other, in order', () => {
    const moments = timeline([entry(1, 1000), entry(2, 5000)], [record(1, 1000 + span), record(2, 3000), record(3, 4990)], everything);
    expect(sizes(moments)).toEqual([
      [[1], [1]],
      [[], [2]],
      [[2], [3]],
    ]);
    expect(moments.map((m) => m.time)).toEqual([1000, 3000, 4990]);
  });

  it('ends a moment after its span, however thick events come', () => {
    const thick = Array.from({ length: 10 }, (_, i) => entry(i + 1, 1000 + i * 50));
    expect(timeline(thick, [], everything).map((m) => m.client.length)).toEqual([4, 4, 2]);
  });

  it('keeps a moment’s key while more comes', () => {
    const before = timeline([entry(1, 1000)], [], everything);
    const after = timeline([entry(1, 1000), entry(2, 1010)], [record(9, 1020)], everything);
    expect(after[0]?.key).toBe(before[0]?.key);
  });

  it('moves the server’s events by what its clock is off', () => {
    expect(sizes(timeline([entry(1, 1000)], [record(1, 6000)], everything, -5000))).toEqual([[[1], [1]]]);
  });

  it.each<[string, Partial<Filter>, number[], number[]]>([
    ['an event’s name', { text: 'muted' }, [1], []],
    ['several words', { text: 'TRACK ben' }, [], [1]],
    ['what of theirs', { text: 'microphone' }, [], [1]],
    ['an identity', { text: 'ana-x' }, [1], []],
    ['no server', { server: false }, [1, 2], []],
    ['no room events', { room: false }, [1], [1]],
    ['neither scope', { room: false, participant: false }, [], [1]],
  ])('filters by %s', (_, change, client, server) => {
    const moments = timeline(
      [entry(1, 1000), entry(2, 1001, { name: 'Reconnected', scopes: ['room'], identity: '', who: 'demo', what: '' })],
      [record(1, 1000)],
      { ...everything, ...change },
    );
    expect(moments.flatMap((m) => m.client.map((e) => e.n))).toEqual(client);
    expect(moments.flatMap((m) => m.server.map((r) => r.seq))).toEqual(server);
  });
});

describe('clockSkew', () => {
  it.each([
    [Infinity, 0],
    [3, 0],
    [900, 0],
    [-5, 0],
    [-4000, -4000],
    [90_000, 90_000],
  ])('of records that seemed to take %d ms at least is %d', (least, want) => {
    expect(clockSkew(least)).toBe(want);
  });
});
