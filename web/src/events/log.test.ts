import { describe, expect, it } from 'vitest';
import { clientEvents, quoted, type ClientEvent, type ClientEventName, type Scope } from './catalogue';
import { emptyLog, heldEntries, logReducer, seen, seenCount, type Telling } from './log';

function telling(name: ClientEventName, scope: Scope, more: Partial<Telling> = {}): Telling {
  return { name, scope, time: 1000, identity: 'ana', who: 'Ana', what: '', body: {}, ...more };
}

const told = (...tellings: Telling[]) => tellings.reduce(logReducer, emptyLog);
const event = (name: ClientEventName) => clientEvents.find((e) => e.name === name) as (typeof clientEvents)[number];

describe('the catalogue', () => {
  it('is the 23 events of the SDKs’ documentation, with their scopes', () => {
    expect(clientEvents).toHaveLength(23);
    expect(new Set(clientEvents.map((e) => e.name)).size).toBe(23);
    const only = (scope: Scope) => clientEvents.filter((e: ClientEvent) => e.scopes.length === 1 && e.scopes[0] === scope).map((e) => e.name);
    expect(only('participant')).toEqual(['IsSpeakingChanged']);
    expect(only('room')).toEqual([
      'ParticipantConnected',
      'ParticipantDisconnected',
      'Reconnecting',
      'Reconnected',
      'Disconnected',
      'ActiveSpeakersChanged',
      'RoomMetadataChanged',
    ]);
  });

  it('writes commands that a shell takes as they are', () => {
    const command = (room: string, url: string) => (event('RoomMetadataChanged') as ClientEvent).command?.({ room, identity: 'ana', url });
    expect(command('demo', 'http://localhost:7880')).toBe(`rollcall room set demo --dev --metadata '{"topic":"plans"}'`);
    expect(command("it's; rm", 'http://127.0.0.1:9')).toContain(String.raw`'it'\''s; rm' --dev --url http://127.0.0.1:9 `);
    expect(quoted('-x')).toBe("'-x'");
  });
});

describe('the log', () => {
  it('is one entry for what a participant and the room tell together', () => {
    const log = told(telling('TrackMuted', 'participant'), telling('TrackMuted', 'room', { time: 1003 }));
    expect(log.entries).toHaveLength(1);
    expect(log.entries[0]?.scopes).toEqual(['room', 'participant']);
    expect(log.seen.TrackMuted).toEqual({ count: 1, scopes: ['room', 'participant'] });
  });

  it.each([
    ['another participant', { identity: 'ben' }],
    ['another track', { what: 'camera' }],
    ['a later time', { time: 1200 }],
  ])('is two entries for %s', (_, more) => {
    expect(told(telling('TrackMuted', 'participant'), telling('TrackMuted', 'room', more)).entries).toHaveLength(2);
  });

  it('counts an event that is told twice at the same place as two', () => {
    const log = told(telling('TrackMuted', 'room'), telling('TrackMuted', 'room'));
    expect(log.entries).toHaveLength(2);
    expect(log.seen.TrackMuted?.count).toBe(2);
  });

  it('holds the newest, and counts all', () => {
    let log = emptyLog;
    for (let i = 0; i < heldEntries + 5; i++) log = logReducer(log, telling('ActiveSpeakersChanged', 'room', { time: i * 1000 }));
    expect(log.entries).toHaveLength(heldEntries);
    expect(log.entries[0]?.n).toBe(6);
    expect(log.total).toBe(heldEntries + 5);
    expect(log.seen.ActiveSpeakersChanged?.count).toBe(heldEntries + 5);
  });

  it('ticks an event off once it was told wherever it is', () => {
    const part = told(telling('TrackMuted', 'participant'));
    expect(seen(emptyLog, event('TrackMuted'))).toBe('no');
    expect(seen(part, event('TrackMuted'))).toBe('partly');
    expect(seenCount(part)).toBe(0);
    const whole = logReducer(part, telling('TrackMuted', 'room', { time: 99_000 }));
    expect(seen(whole, event('TrackMuted'))).toBe('yes');
    expect(seenCount(told(telling('TrackMuted', 'room'), telling('TrackMuted', 'participant'), telling('IsSpeakingChanged', 'participant')))).toBe(2);
  });
});
