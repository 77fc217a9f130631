import { ConnectionQuality, DisconnectReason, ParticipantEvent, RoomEvent, Track, type Room } from 'livekit-client';
import { describe, expect, it } from 'vitest';
import { clientEvents } from './catalogue';
import { emptyLog, logReducer, seenCount, type Telling } from './log';
import { plain } from './plain';
import { watchRoom } from './watch';

class Emitter {
  #listeners = new Map<string, ((...args: unknown[]) => void)[]>();
  on(event: string, listener: (...args: unknown[]) => void): this {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    return this;
  }
  emit(event: string, ...args: unknown[]): void {
    this.#listeners.get(event)?.forEach((listener) => listener(...args));
  }
}

class FakeParticipant extends Emitter {
  metadata = '';
  permissions = { canPublish: true };
  constructor(
    readonly identity: string,
    readonly name = '',
  ) {
    super();
  }
}

function watched() {
  const me = new FakeParticipant('me');
  const room = Object.assign(new Emitter(), { name: 'demo', localParticipant: me, remoteParticipants: new Map<string, FakeParticipant>() });
  const tellings: Telling[] = [];
  watchRoom(room as unknown as Room, (telling) => tellings.push(telling));
  return { me, room, tellings };
}

const camera = { source: Track.Source.Camera };

describe('watchRoom', () => {
  it('tells each of the 23 wherever it is told', () => {
    const { me, room, tellings } = watched();
    const ben = new FakeParticipant('ben', 'Ben');
    room.emit(RoomEvent.ParticipantConnected, ben);
    for (const event of ['TrackPublished', 'TrackUnpublished', 'TrackMuted', 'TrackUnmuted', 'LocalTrackPublished', 'LocalTrackUnpublished'] as const) {
      ben.emit(ParticipantEvent[event], camera);
      room.emit(RoomEvent[event], camera, ben);
    }
    for (const event of ['TrackSubscribed', 'TrackUnsubscribed'] as const) {
      ben.emit(ParticipantEvent[event], {}, camera);
      room.emit(RoomEvent[event], {}, camera, ben);
    }
    ben.emit(ParticipantEvent.IsSpeakingChanged, true);
    room.emit(RoomEvent.ActiveSpeakersChanged, [ben]);
    ben.emit(ParticipantEvent.ConnectionQualityChanged, ConnectionQuality.Good);
    room.emit(RoomEvent.ConnectionQualityChanged, ConnectionQuality.Good, ben);
    me.emit(ParticipantEvent.AttributesChanged, { hand: 'raised' });
    room.emit(RoomEvent.ParticipantAttributesChanged, { hand: 'raised' }, me);
    ben.emit(ParticipantEvent.ParticipantMetadataChanged, '');
    room.emit(RoomEvent.ParticipantMetadataChanged, '', ben);
    room.emit(RoomEvent.RoomMetadataChanged, 'topic');
    ben.emit(ParticipantEvent.DataReceived, new Uint8Array(3), 0);
    room.emit(RoomEvent.DataReceived, new Uint8Array(3), ben, 0, 'topic');
    ben.emit(ParticipantEvent.TrackStreamStateChanged, camera, Track.StreamState.Paused);
    room.emit(RoomEvent.TrackStreamStateChanged, camera, Track.StreamState.Paused, ben);
    ben.emit(ParticipantEvent.TrackSubscriptionPermissionChanged, camera, 'not_allowed');
    room.emit(RoomEvent.TrackSubscriptionPermissionChanged, camera, 'not_allowed', ben);
    me.emit(ParticipantEvent.ParticipantPermissionsChanged, {});
    room.emit(RoomEvent.ParticipantPermissionsChanged, {}, me);
    room.emit(RoomEvent.ParticipantDisconnected, ben);
    room.emit(RoomEvent.Reconnecting);
    room.emit(RoomEvent.Reconnected);
    room.emit(RoomEvent.Disconnected, DisconnectReason.PARTICIPANT_REMOVED);

    const log = tellings.reduce(logReducer, emptyLog);
    expect(Object.keys(log.seen).toSorted()).toEqual(clientEvents.map((event) => event.name).toSorted());
    expect(seenCount(log)).toBe(23);
    // Each is one entry, whether told at one place or two.
    expect(log.total).toBe(23);
    expect(log.entries.at(-1)).toMatchObject({ name: 'Disconnected', who: 'demo', what: 'participant removed' });
    expect(log.entries.find((entry) => entry.name === 'DataReceived')).toMatchObject({ who: 'Ben', what: '3 bytes' });
    expect(log.entries.find((entry) => entry.name === 'ParticipantAttributesChanged')?.what).toBe('hand=raised');
  });

  it('watches those who were there before, and each once', () => {
    const { room, tellings } = watched();
    const ben = new FakeParticipant('ben');
    room.remoteParticipants.set('ben', ben);
    room.emit(RoomEvent.SignalConnected);
    room.emit(RoomEvent.Connected);
    room.emit(RoomEvent.TrackMuted, camera, ben);
    tellings.length = 0;
    ben.emit(ParticipantEvent.IsSpeakingChanged, false);
    expect(tellings.map((t) => [t.name, t.what])).toEqual([['IsSpeakingChanged', 'is silent']]);
  });
});

describe('plain', () => {
  it('shows text as text, and other bytes in hexadecimal', () => {
    expect(plain({ payload: new TextEncoder().encode('hé') })).toEqual({ payload: { bytes: 3, text: 'hé' } });
    expect(plain(new Uint8Array([255, 1]))).toEqual({ bytes: 2, hex: 'ff01' });
  });

  it('cuts what is long, also in the midst of a letter', () => {
    const long = new TextEncoder().encode('é'.repeat(1500).slice(1) + 'x');
    expect(plain(long)).toMatchObject({ bytes: 2999, cut: true, text: 'é'.repeat(1000) });
    const odd = new TextEncoder().encode(`x${'é'.repeat(1500)}`);
    expect(plain(odd)).toMatchObject({ text: `x${'é'.repeat(999)}` });
  });

  it('is JSON for whatever comes', () => {
    const value = { big: 5n, at: new Date(0), call: () => 1, list: [1, undefined, null], message: { toJson: () => ({ a: 1 }) } };
    expect(JSON.parse(JSON.stringify(plain(value)))).toEqual({ big: '5', at: '1970-01-01T00:00:00.000Z', list: [1, null, null], message: { a: 1 } });
  });
});
