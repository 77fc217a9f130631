import { DisconnectReason, ParticipantEvent, RoomEvent, type Participant, type Room, type TrackPublication } from 'livekit-client';
import { displayName } from '../call/names';
import type { ClientEventName, Scope } from './catalogue';
import type { Telling } from './log';
import { plain } from './plain';

// watchRoom tells each of the 23 events of a room that has not connected yet, at
// the room and at its participants, for as long as the room lives.
export function watchRoom(room: Room, tell: (telling: Telling) => void): void {
  const say = (scope: Scope, name: ClientEventName, of: Participant | undefined, what: string, args: Record<string, unknown>) =>
    tell({
      name,
      scope,
      time: Date.now(),
      identity: of?.identity ?? '',
      who: of ? displayName(of) : room.name,
      what,
      body: { event: name, ...(plain(args) as object) },
    });

  const watched = new WeakSet<Participant>();
  const watch = (p: Participant) => {
    if (watched.has(p)) return;
    watched.add(p);
    watchParticipant(p, (name, what, args) => say('participant', name, p, what, { participant: p, ...args }));
  };
  // Those who were there before are told of by no event.
  const watchAll = () => room.remoteParticipants.forEach(watch);
  watch(room.localParticipant);

  const at = (name: ClientEventName, of: Participant | undefined, what: string, args: Record<string, unknown>) => say('room', name, of, what, args);
  const ofTrack = (name: ClientEventName) => (publication: TrackPublication, participant: Participant) => {
    watch(participant);
    at(name, participant, source(publication), { publication, participant });
  };
  room
    .on(RoomEvent.SignalConnected, watchAll)
    .on(RoomEvent.Connected, watchAll)
    .on(RoomEvent.ParticipantConnected, (participant) => {
      watch(participant);
      at('ParticipantConnected', participant, '', { participant });
    })
    .on(RoomEvent.ParticipantDisconnected, (participant) => at('ParticipantDisconnected', participant, '', { participant }))
    .on(RoomEvent.Reconnecting, () => at('Reconnecting', undefined, '', {}))
    .on(RoomEvent.Reconnected, () => {
      watchAll();
      at('Reconnected', undefined, '', {});
    })
    .on(RoomEvent.Disconnected, (reason) => {
      const name = reason === undefined ? '' : (DisconnectReason[reason] ?? String(reason));
      at('Disconnected', undefined, words(name), { reason: name });
    })
    .on(RoomEvent.TrackPublished, ofTrack('TrackPublished'))
    .on(RoomEvent.TrackUnpublished, ofTrack('TrackUnpublished'))
    .on(RoomEvent.TrackSubscribed, (track, publication, participant) => {
      watch(participant);
      at('TrackSubscribed', participant, source(publication), { track, publication, participant });
    })
    .on(RoomEvent.TrackUnsubscribed, (track, publication, participant) =>
      at('TrackUnsubscribed', participant, source(publication), { track, publication, participant }),
    )
    .on(RoomEvent.TrackMuted, ofTrack('TrackMuted'))
    .on(RoomEvent.TrackUnmuted, ofTrack('TrackUnmuted'))
    .on(RoomEvent.LocalTrackPublished, ofTrack('LocalTrackPublished'))
    .on(RoomEvent.LocalTrackUnpublished, ofTrack('LocalTrackUnpublished'))
    .on(RoomEvent.ActiveSpeakersChanged, (speakers) =>
      at('ActiveSpeakersChanged', undefined, speakers.map(displayName).join(', ') || 'nobody', { speakers }),
    )
    .on(RoomEvent.ConnectionQualityChanged, (quality, participant) =>
      at('ConnectionQualityChanged', participant, quality, { quality, participant }),
    )
    .on(RoomEvent.ParticipantAttributesChanged, (changed, participant) =>
      at('ParticipantAttributesChanged', participant, pairs(changed), { changed, participant }),
    )
    .on(RoomEvent.ParticipantMetadataChanged, (previous, participant) =>
      at('ParticipantMetadataChanged', participant, '', { previous, metadata: participant.metadata, participant }),
    )
    .on(RoomEvent.RoomMetadataChanged, (metadata) => at('RoomMetadataChanged', undefined, metadata, { metadata }))
    .on(RoomEvent.DataReceived, (payload, participant, _kind, topic) =>
      at('DataReceived', participant, size(payload), { payload, topic, participant }),
    )
    .on(RoomEvent.TrackStreamStateChanged, (publication, state, participant) =>
      at('TrackStreamStateChanged', participant, `${source(publication)} ${state}`, { publication, state, participant }),
    )
    .on(RoomEvent.TrackSubscriptionPermissionChanged, (publication, status, participant) =>
      at('TrackSubscriptionPermissionChanged', participant, `${source(publication)} ${words(status)}`, { publication, status, participant }),
    )
    .on(RoomEvent.ParticipantPermissionsChanged, (previous, participant) =>
      at('ParticipantPermissionsChanged', participant, '', { previous, permissions: participant.permissions, participant }),
    );
}

type SayAt = (name: ClientEventName, what: string, args: Record<string, unknown>) => void;

function watchParticipant(p: Participant, say: SayAt): void {
  const ofTrack = (name: ClientEventName) => (publication: TrackPublication) => say(name, source(publication), { publication });
  p.on(ParticipantEvent.TrackPublished, ofTrack('TrackPublished'))
    .on(ParticipantEvent.TrackUnpublished, ofTrack('TrackUnpublished'))
    .on(ParticipantEvent.TrackSubscribed, (track, publication) => say('TrackSubscribed', source(publication), { track, publication }))
    .on(ParticipantEvent.TrackUnsubscribed, (track, publication) => say('TrackUnsubscribed', source(publication), { track, publication }))
    .on(ParticipantEvent.TrackMuted, ofTrack('TrackMuted'))
    .on(ParticipantEvent.TrackUnmuted, ofTrack('TrackUnmuted'))
    .on(ParticipantEvent.LocalTrackPublished, ofTrack('LocalTrackPublished'))
    .on(ParticipantEvent.LocalTrackUnpublished, ofTrack('LocalTrackUnpublished'))
    .on(ParticipantEvent.IsSpeakingChanged, (speaking) => say('IsSpeakingChanged', speaking ? 'speaks' : 'is silent', { speaking }))
    .on(ParticipantEvent.ConnectionQualityChanged, (quality) => say('ConnectionQualityChanged', quality, { quality }))
    .on(ParticipantEvent.AttributesChanged, (changed) => say('ParticipantAttributesChanged', pairs(changed), { changed }))
    .on(ParticipantEvent.ParticipantMetadataChanged, (previous) => say('ParticipantMetadataChanged', '', { previous, metadata: p.metadata }))
    .on(ParticipantEvent.DataReceived, (payload) => say('DataReceived', size(payload), { payload }))
    .on(ParticipantEvent.TrackStreamStateChanged, (publication, state) =>
      say('TrackStreamStateChanged', `${source(publication)} ${state}`, { publication, state }),
    )
    .on(ParticipantEvent.TrackSubscriptionPermissionChanged, (publication, status) =>
      say('TrackSubscriptionPermissionChanged', `${source(publication)} ${words(status)}`, { publication, status }),
    )
    .on(ParticipantEvent.ParticipantPermissionsChanged, (previous) =>
      say('ParticipantPermissionsChanged', '', { previous, permissions: p.permissions }),
    );
}

function source(publication: TrackPublication): string {
  return words(publication.source);
}

function words(name: string): string {
  return name.toLowerCase().replaceAll('_', ' ');
}

function pairs(changed: Record<string, string>): string {
  return Object.entries(changed)
    .map(([key, value]) => (value === '' ? `no ${key}` : `${key}=${value}`))
    .join(', ');
}

function size(payload: Uint8Array): string {
  return payload.length === 1 ? '1 byte' : `${payload.length} bytes`;
}
