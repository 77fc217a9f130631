import { describe as group, expect, it } from 'vitest';
import { jsonParts } from './json';
import { clock, describe, effect, parseRecord, type RollRecord } from './record';
import { eventsURL, retryDelay } from './stream';

const data = {
  seq: 12,
  roomSeq: 3,
  id: '019aafc0-0000-7000-8000-000000000001',
  name: 'track_published',
  time: '2026-11-23T10:00:00.123456Z',
  room: 'demo',
  roomSid: 'RM_x',
  participantSid: 'PA_x',
  identity: 'alice-7',
  trackSid: 'TR_AMx',
  synthesized: false,
  body: { event: 'track_published', participant: { name: 'Alice' }, track: { source: 'SCREEN_SHARE_AUDIO' } },
};

function parsed(over: object): RollRecord {
  const record = parseRecord(JSON.stringify({ ...data, ...over }));
  if (!record) throw new Error('not a record');
  return record;
}

group('parseRecord', () => {
  it('takes a record as it is', () => {
    expect(parsed({})).toEqual(data);
  });

  it('fills in what a record of a room does not have', () => {
    const { participantSid: _p, identity: _i, trackSid: _t, body: _b, ...short } = data;
    expect(parseRecord(JSON.stringify(short))).toMatchObject({ participantSid: '', identity: '', trackSid: '', body: {} });
  });

  it.each(['', 'x', 'null', '[]', '7', '{}', '{"seq":"1","name":"a"}', '{"seq":0,"name":"a"}', '{"seq":1.5,"name":"a"}', '{"seq":1,"name":""}'])(
    'is undefined for %j',
    (text) => {
      expect(parseRecord(text)).toBeUndefined();
    },
  );
});

group('effect', () => {
  it.each([
    ['room_started', 'opens'],
    ['participant_joined', 'opens'],
    ['track_published', 'opens'],
    ['track_unpublished', 'closes'],
    ['participant_left', 'closes'],
    ['egress_ended', 'closes'],
    ['room_finished', 'closes'],
    ['participant_connection_aborted', 'fails'],
    ['egress_updated', 'changes'],
    ['something_new', 'changes'],
  ])('%s %s', (name, want) => {
    expect(effect(name)).toBe(want);
  });
});

group('describe', () => {
  it('names a track by whose and what it is', () => {
    expect(describe(parsed({}))).toEqual({ who: 'Alice', what: 'screen share audio' });
  });

  it('takes a track without source, which is proto3 zero, for what its type says', () => {
    expect(describe(parsed({ body: { track: { type: 'VIDEO' } } })).what).toBe('video');
    expect(describe(parsed({ body: {} })).what).toBe('audio');
  });

  it('says why a participant left, under the identity when there is no name', () => {
    const record = parsed({ trackSid: '', name: 'participant_left', body: { participant: { disconnectReason: 'CLIENT_INITIATED' } } });
    expect(describe(record)).toEqual({ who: 'alice-7', what: 'client initiated' });
  });

  it('says why a room finished', () => {
    const record = parsed({ trackSid: '', participantSid: '', identity: '', body: { roomEndReason: 'ROOM_END_DEPARTURE_TIMEOUT' } });
    expect(describe(record)).toEqual({ who: 'demo', what: 'departure timeout' });
  });
});

group('clock', () => {
  it('is to the millisecond, and empty for no time', () => {
    expect(clock(data.time)).toMatch(/^\d\d:\d\d:00\.123$/);
    expect(clock('')).toBe('');
  });
});

group('the stream', () => {
  it('asks for the beginning, then for what follows the last record', () => {
    expect(eventsURL('a b&c', 't', 0)).toBe('/events?room=a+b%26c&access_token=t');
    expect(eventsURL('r', 't', 12)).toBe('/events?room=r&access_token=t&after=12');
  });

  it('waits longer for each try, up to a bound', () => {
    expect([0, 1, 2, 3, 4, 20].map(retryDelay)).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000]);
  });
});

group('jsonParts', () => {
  const value = { a: 'x "quoted": \\', 'b"c': [1, -2.5e3, true, null], d: {}, e: '' };

  it('lose nothing', () => {
    const json = JSON.stringify(value, null, 2);
    expect(jsonParts(json).map((part) => part.text).join('')).toBe(json);
  });

  it('tell keys from strings', () => {
    const of = (kind: string) => jsonParts(JSON.stringify(value)).filter((part) => part.kind === kind).map((part) => part.text);
    expect(of('key')).toEqual(['"a"', '"b\\"c"', '"d"', '"e"']);
    expect(of('string')).toEqual([JSON.stringify(value.a), '""']);
    expect(of('literal')).toEqual(['1', '-2500', 'true', 'null']);
  });
});
