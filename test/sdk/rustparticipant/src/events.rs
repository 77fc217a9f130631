//! What the library tells of the room, as JSON lines.

use protocol::room_event::Message;
use protocol::{
    AudioStreamType, DataPacketReceived, LocalTrackRepublished, NewAudioStreamRequest, NewVideoStreamRequest,
    OwnedTrack, TrackKind, VideoStreamType, data_packet_received,
};
use serde_json::{Map, Value, json};

use crate::ask;
use crate::participant::{Participant, Publication, Received, tell};
use crate::sound::RATE;

impl Participant {
    pub fn told(&mut self, message: Message) {
        match message {
            Message::ParticipantConnected(event) => {
                let (identity, sid) = (event.info.info.identity.clone(), event.info.info.sid.clone());
                self.met(event.info);
                tell(json!({ "event": "participantConnected", "identity": identity, "sid": sid }));
            }
            Message::ParticipantDisconnected(event) => {
                let identity = event.participant_identity;
                let sid = self.people.remove(&identity).map(|person| person.sid);
                tell(json!({ "event": "participantDisconnected", "identity": identity, "sid": sid }));
            }
            Message::ParticipantActive(event) => {
                tell(json!({ "event": "participantActive", "identity": event.participant_identity }));
            }
            Message::LocalTrackPublished(event) => {
                tell(json!({ "event": "localTrackPublished", "sid": event.track_sid }))
            }
            Message::LocalTrackUnpublished(event) => {
                self.forget_own(&event.publication_sid);
                tell(json!({ "event": "localTrackUnpublished", "sid": event.publication_sid }));
            }
            Message::LocalTrackRepublished(event) => self.republished(event),
            Message::LocalTrackSubscribed(event) => {
                tell(json!({ "event": "localTrackSubscribed", "sid": event.track_sid }))
            }
            Message::TrackPublished(event) => {
                let sid = event.publication.info.sid.clone();
                self.found(&event.participant_identity, event.publication);
                self.tell_of("trackPublished", &event.participant_identity, &sid);
            }
            Message::TrackUnpublished(event) => {
                self.tell_of("trackUnpublished", &event.participant_identity, &event.publication_sid);
                if let Some(person) = self.people.get_mut(&event.participant_identity) {
                    person.publications.remove(&event.publication_sid);
                }
            }
            Message::TrackSubscribed(event) => {
                let sid = event.track.info.sid.clone();
                if let Err(error) = self.receive(&event.participant_identity, event.track) {
                    eprintln!("rustparticipant: {error}");
                }
                self.tell_of("trackSubscribed", &event.participant_identity, &sid);
            }
            Message::TrackUnsubscribed(event) => {
                self.tell_of("trackUnsubscribed", &event.participant_identity, &event.track_sid);
                self.end_of(&event.participant_identity, &event.track_sid);
            }
            Message::TrackSubscriptionFailed(event) => tell(json!({
                "event": "trackSubscriptionFailed", "identity": event.participant_identity, "sid": event.track_sid,
                "error": event.error,
            })),
            Message::TrackMuted(event) => self.tell_of("trackMuted", &event.participant_identity, &event.track_sid),
            Message::TrackUnmuted(event) => self.tell_of("trackUnmuted", &event.participant_identity, &event.track_sid),
            Message::ActiveSpeakersChanged(event) => {
                tell(json!({ "event": "activeSpeakers", "identities": event.participant_identities }));
            }
            Message::ConnectionQualityChanged(event) => tell(json!({
                "event": "connectionQuality", "identity": event.participant_identity,
                "quality": word(event.quality().as_str_name()),
            })),
            Message::ParticipantAttributesChanged(event) => {
                let changed: Map<_, _> =
                    event.changed_attributes.into_iter().map(|entry| (entry.key, Value::String(entry.value))).collect();
                tell(json!({ "event": "attributes", "identity": event.participant_identity, "changed": changed }));
            }
            Message::ParticipantMetadataChanged(event) => {
                tell(
                    json!({ "event": "metadata", "identity": event.participant_identity, "metadata": event.metadata }),
                );
            }
            Message::ParticipantNameChanged(event) => {
                tell(json!({ "event": "name", "identity": event.participant_identity, "name": event.name }));
            }
            Message::ParticipantPermissionChanged(event) => tell(json!({
                "event": "permissions", "identity": event.participant_identity,
                "canPublish": event.permission.map(|permission| permission.can_publish),
            })),
            Message::RoomMetadataChanged(event) => tell(json!({ "event": "roomMetadata", "metadata": event.metadata })),
            Message::DataPacketReceived(event) => self.data(event),
            Message::Reconnecting(_) => tell(json!({ "event": "reconnecting" })),
            Message::Reconnected(_) => tell(json!({ "event": "reconnected" })),
            Message::Disconnected(event) => {
                tell(json!({ "event": "disconnected", "reason": event.reason().as_str_name() }))
            }
            Message::ConnectionStateChanged(event) => {
                tell(json!({ "event": "connectionState", "state": word(event.state().as_str_name()) }));
            }
            _ => {} // what no test asks for
        }
    }

    fn tell_of(&self, event: &str, identity: &str, sid: &str) {
        let publication = self.people.get(identity).and_then(|person| person.publications.get(sid));
        let info = publication.map(|publication| &publication.info);
        tell(json!({
            "event": event, "identity": identity, "sid": sid,
            "kind": info.map(|info| word(info.kind().as_str_name())),
            "source": info.map(|info| word(info.source().as_str_name())),
            "mime": info.map(|info| &info.mime_type),
        }));
    }

    fn data(&self, event: DataPacketReceived) {
        let reliable = event.kind().as_str_name() == "KIND_RELIABLE";
        let Some(data_packet_received::Value::User(packet)) = event.value else { return };
        let _buffer = self.ffi.handle(packet.data.handle.id);
        let data = &packet.data.data;
        let bytes = unsafe { std::slice::from_raw_parts(data.data_ptr as *const u8, data.data_len as usize) };
        tell(json!({
            "event": "data", "from": event.participant_identity, "text": String::from_utf8_lossy(bytes),
            "topic": packet.topic, "reliable": reliable,
        }));
    }

    // After a full reconnect our tracks have other sids.
    fn republished(&mut self, event: LocalTrackRepublished) {
        if let Some(track) = self.mine.remove(&event.previous_sid) {
            self.mine.insert(event.info.sid.clone(), track);
        }
        if let Some(mut publication) = self.forget_own(&event.previous_sid) {
            publication.info = event.info.clone();
            let me = self.people.get_mut(&self.identity);
            me.and_then(|me| me.publications.insert(event.info.sid.clone(), publication));
        }
        tell(json!({ "event": "localTrackRepublished", "sid": event.info.sid, "previous": event.previous_sid }));
    }

    fn forget_own(&mut self, sid: &str) -> Option<Publication> {
        self.people.get_mut(&self.identity)?.publications.remove(sid)
    }

    fn receive(&mut self, identity: &str, track: OwnedTrack) -> Result<(), String> {
        let handle = self.ffi.handle(track.handle.id);
        let stream = if track.info.kind() == TrackKind::KindVideo {
            let request = NewVideoStreamRequest {
                track_handle: handle.id,
                r#type: VideoStreamType::VideoStreamNative as i32,
                ..Default::default()
            };
            ask!(self.ffi, NewVideoStream(request))?.stream.handle.id
        } else {
            let request = NewAudioStreamRequest {
                track_handle: handle.id,
                r#type: AudioStreamType::AudioStreamNative as i32,
                sample_rate: Some(RATE),
                num_channels: Some(1),
                ..Default::default()
            };
            ask!(self.ffi, NewAudioStream(request))?.stream.handle.id
        };
        let stream = self.ffi.handle(stream);
        let person = self.people.get_mut(identity);
        let publication = person.and_then(|person| person.publications.get_mut(&track.info.sid));
        let publication = publication.ok_or_else(|| format!("{} of {identity} was not published", track.info.sid))?;
        self.streams.insert(stream.id, identity.to_owned());
        publication.received = Some(Received { _track: handle, stream });
        Ok(())
    }

    fn end_of(&mut self, identity: &str, sid: &str) {
        let person = self.people.get_mut(identity);
        let publication = person.and_then(|person| person.publications.get_mut(sid));
        if let Some(received) = publication.and_then(|publication| publication.received.take()) {
            self.streams.remove(&received.stream.id);
        }
    }
}

/// The word that an enumeration has for something, after its prefix, as the other participants say it.
fn word(name: &str) -> String {
    name.split_once('_').map_or(name, |(_, word)| word).to_lowercase()
}
