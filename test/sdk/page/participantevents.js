// What the SDK tells at each participant, beside what it tells at the room: the
// same names with "participant:" before them.

import { ParticipantEvent, RoomEvent } from 'livekit-client';

export function watchParticipants(room, tell, track) {
  const watched = new Set();
  const watch = (p) => {
    if (watched.has(p)) return;
    watched.add(p);
    const say = (event, fields = {}) => tell(`participant:${event}`, { identity: p.identity, ...fields });
    const ofTrack = (event) => (pub) => say(event, track(pub, p));
    p
      .on(ParticipantEvent.TrackPublished, ofTrack('trackPublished'))
      .on(ParticipantEvent.TrackUnpublished, ofTrack('trackUnpublished'))
      .on(ParticipantEvent.TrackSubscribed, (_, pub) => say('trackSubscribed', track(pub, p)))
      .on(ParticipantEvent.TrackUnsubscribed, (_, pub) => say('trackUnsubscribed', track(pub, p)))
      .on(ParticipantEvent.TrackMuted, ofTrack('trackMuted'))
      .on(ParticipantEvent.TrackUnmuted, ofTrack('trackUnmuted'))
      .on(ParticipantEvent.LocalTrackPublished, ofTrack('localTrackPublished'))
      .on(ParticipantEvent.LocalTrackUnpublished, ofTrack('localTrackUnpublished'))
      .on(ParticipantEvent.IsSpeakingChanged, (speaking) => say('isSpeaking', { speaking }))
      .on(ParticipantEvent.ConnectionQualityChanged, (quality) => say('connectionQuality', { quality }))
      .on(ParticipantEvent.AttributesChanged, (changed) => say('attributes', { changed }))
      .on(ParticipantEvent.ParticipantMetadataChanged, () => say('metadata', { metadata: p.metadata }))
      .on(ParticipantEvent.DataReceived, (payload, kind) => say('data', {
        from: p.identity, text: new TextDecoder().decode(payload), reliable: kind === 0,
      }))
      .on(ParticipantEvent.TrackStreamStateChanged, (pub, state) => say('streamState', { ...track(pub, p), state }))
      .on(ParticipantEvent.TrackSubscriptionPermissionChanged, (pub, status) => say('subscriptionPermission', { ...track(pub, p), status }))
      .on(ParticipantEvent.ParticipantPermissionsChanged, () => say('permissions', {
        canPublish: p.permissions.canPublish, canSubscribe: p.permissions.canSubscribe,
      }));
  };
  watch(room.localParticipant);
  room.on(RoomEvent.ParticipantConnected, watch);
}
