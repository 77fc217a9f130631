//! The participant: commands, and what the library answers them with later.

use std::collections::HashMap;

use protocol::ffi_event::Message as Event;
use protocol::{
    AudioStreamEvent, ConnectRequest, DisconnectRequest, FfiEvent, LocalTrackMuteRequest, OwnedParticipant,
    OwnedTrackPublication, PublishDataRequest, PublishTrackRequest, ReadyForRoomEventRequest, RoomOptions,
    TrackPublicationInfo, TrackPublishOptions, TrackSource, UnpublishTrackRequest, VideoStreamEvent,
    audio_stream_event, connect_callback, publish_track_callback, video_stream_event,
};
use serde_json::{Value, json};

use crate::ask;
use crate::ffi::{Ffi, Handle};
use crate::sound::{Microphone, energy};

pub struct Participant {
    pub ffi: Ffi,
    pub people: HashMap<String, Person>,   // by identity; we are one
    pub streams: HashMap<u64, String>,     // identities, by the handle of a stream
    pub mine: HashMap<String, u64>,        // tracks of microphones, by sid
    microphones: HashMap<u64, Microphone>, // by the handle of their tracks
    pub identity: String,                  // ours, once we are in the room
    room: Option<Room>,
    waiting: HashMap<u64, Waiting>,
    last_id: u64,                 // of what is waited for
    frames: HashMap<String, u64>, // pictures received, by identity
    energy: HashMap<String, f64>, // squared samples received
}

struct Room {
    handle: Handle,
    me: u64,
}

pub struct Person {
    pub sid: String,
    pub publications: HashMap<String, Publication>, // by sid
    _handle: Handle,
}

pub struct Publication {
    pub info: TrackPublicationInfo,
    pub received: Option<Received>,
    _handle: Handle,
}

/// What is had of a track while we are subscribed to it.
pub struct Received {
    pub _track: Handle,
    pub stream: Handle,
}

/// What is done when the library calls back; reply: the command that it answers.
enum Waiting {
    Join { reply: Value },
    Publish { reply: Value, microphone: Microphone },
    Unpublish { reply: Value, sid: String },
    Data { reply: Value, _payload: Vec<u8> }, // the library's until then
    Hum { track: u64 },
    Leave,
}

pub fn tell(event: Value) {
    println!("{event}");
}

fn answer(reply: &Value, result: Result<Value, String>) {
    match result {
        Ok(result) => tell(json!({ "event": "reply", "id": reply, "result": result })),
        Err(error) => tell(json!({ "event": "reply", "id": reply, "error": error })),
    }
}

fn outcome(error: Option<String>) -> Result<(), String> {
    error.map_or(Ok(()), Err)
}

impl Participant {
    pub fn new(ffi: Ffi) -> Participant {
        Participant {
            ffi,
            people: HashMap::new(),
            streams: HashMap::new(),
            mine: HashMap::new(),
            microphones: HashMap::new(),
            identity: String::new(),
            room: None,
            waiting: HashMap::new(),
            last_id: 0,
            frames: HashMap::new(),
            energy: HashMap::new(),
        }
    }

    /// Carries out a command, and answers it now or when the library has called back.
    pub fn obey(&mut self, command: &Value) {
        let reply = &command["id"];
        match self.start(command["op"].as_str().unwrap_or(""), &command["args"], reply.clone()) {
            Ok(None) => {}
            Ok(Some(result)) => answer(reply, Ok(result)),
            Err(error) => answer(reply, Err(error)),
        }
    }

    fn start(&mut self, op: &str, args: &Value, reply: Value) -> Result<Option<Value>, String> {
        let text = |n: usize| args[n].as_str().unwrap_or("").to_owned();
        let id = self.next_id();
        match op {
            "join" => {
                let options = RoomOptions {
                    auto_subscribe: Some(true),
                    single_peer_connection: args[2].as_u64().map(|connections| connections == 1),
                    ..Default::default()
                };
                let request = ConnectRequest { url: text(0), token: text(1), options, request_async_id: Some(id) };
                ask!(self.ffi, Connect(request))?;
                self.waiting.insert(id, Waiting::Join { reply });
            }
            "publishMicrophone" => {
                let microphone = Microphone::new(self.ffi)?;
                let source = Some(TrackSource::SourceMicrophone as i32);
                let request = PublishTrackRequest {
                    local_participant_handle: self.room()?.me,
                    track_handle: microphone.track.id,
                    options: TrackPublishOptions { source, ..Default::default() },
                    request_async_id: Some(id),
                };
                ask!(self.ffi, PublishTrack(request))?;
                self.waiting.insert(id, Waiting::Publish { reply, microphone });
            }
            "unpublish" => {
                let request = UnpublishTrackRequest {
                    local_participant_handle: self.room()?.me,
                    track_sid: text(0),
                    stop_on_unpublish: true,
                    request_async_id: Some(id),
                };
                ask!(self.ffi, UnpublishTrack(request))?;
                self.waiting.insert(id, Waiting::Unpublish { reply, sid: text(0) });
            }
            "mute" => {
                let mute = args[1].as_bool().ok_or("mute or not")?;
                let track_handle = *self.mine.get(&text(0)).ok_or("no such track of ours")?;
                ask!(self.ffi, LocalTrackMute(LocalTrackMuteRequest { track_handle, mute }))?;
                return Ok(Some(Value::Null));
            }
            "sendData" => {
                let payload = text(0).into_bytes();
                let to = args[2].as_array().into_iter().flatten().filter_map(Value::as_str);
                let request = PublishDataRequest {
                    local_participant_handle: self.room()?.me,
                    data_ptr: payload.as_ptr() as u64,
                    data_len: payload.len() as u64,
                    reliable: true,
                    topic: Some(text(1)),
                    destination_identities: to.map(str::to_owned).collect(),
                    request_async_id: Some(id),
                    ..Default::default()
                };
                ask!(self.ffi, PublishData(request))?;
                self.waiting.insert(id, Waiting::Data { reply, _payload: payload });
            }
            "videoFrames" => return Ok(Some(json!(self.frames.get(&text(0)).unwrap_or(&0)))),
            "audioEnergy" => return Ok(Some(json!(self.energy.get(&text(0)).unwrap_or(&0.0)))),
            _ => return Err(format!("unknown command {op}")),
        }
        Ok(None)
    }

    fn room(&self) -> Result<&Room, String> {
        self.room.as_ref().ok_or("not in a room".into())
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Takes in what the library tells.
    pub fn hear(&mut self, event: FfiEvent) {
        match event.message {
            Some(Event::RoomEvent(event)) => {
                if let Some(message) = event.message {
                    self.told(message);
                }
            }
            Some(Event::VideoStreamEvent(event)) => self.see(event),
            Some(Event::AudioStreamEvent(event)) => self.listen(event),
            Some(Event::Connect(done)) => {
                self.called_back(done.async_id, |it, waiting| it.joined(waiting, done.message))
            }
            Some(Event::PublishTrack(done)) => {
                self.called_back(done.async_id, |it, waiting| it.published(waiting, done.message));
            }
            Some(Event::UnpublishTrack(done)) => self.called_back(done.async_id, |it, waiting| {
                if let Waiting::Unpublish { reply, sid } = waiting {
                    let track = it.mine.remove(&sid);
                    track.and_then(|track| it.microphones.remove(&track));
                    answer(&reply, outcome(done.error).map(|()| Value::Null));
                }
            }),
            Some(Event::PublishData(done)) => self.called_back(done.async_id, |_, waiting| {
                if let Waiting::Data { reply, .. } = waiting {
                    answer(&reply, outcome(done.error).map(|()| Value::Null));
                }
            }),
            Some(Event::CaptureAudioFrame(done)) => self.called_back(done.async_id, |it, waiting| {
                if let Waiting::Hum { track } = waiting {
                    it.hum(track);
                }
            }),
            Some(Event::Disconnect(done)) => self.called_back(done.async_id, |it, _| it.room = None),
            Some(Event::Panic(panic)) => {
                eprintln!("the library panicked: {}", panic.message);
                std::process::exit(1); // it does not go on
            }
            _ => {}
        }
    }

    fn called_back(&mut self, id: u64, then: impl FnOnce(&mut Participant, Waiting)) {
        if let Some(waiting) = self.waiting.remove(&id) {
            then(self, waiting);
        }
    }

    fn joined(&mut self, waiting: Waiting, message: Option<connect_callback::Message>) {
        let Waiting::Join { reply } = waiting else { return };
        let result = match message {
            Some(connect_callback::Message::Result(result)) => result,
            Some(connect_callback::Message::Error(error)) => return answer(&reply, Err(error)),
            None => return answer(&reply, Err("the library says nothing".into())),
        };
        let room = self.ffi.handle(result.room.handle.id);
        let sid = result.local_participant.info.sid.clone();
        let me = result.local_participant.handle.id;
        self.identity = result.local_participant.info.identity.clone();
        self.met(result.local_participant);
        for other in result.participants {
            let identity = other.participant.info.identity.clone();
            self.met(other.participant);
            for publication in other.publications {
                self.found(&identity, publication);
            }
        }
        // Only from now on it tells of the room.
        let ready = ask!(self.ffi, ReadyForRoomEvent(ReadyForRoomEventRequest { room_handle: room.id }));
        self.room = Some(Room { handle: room, me });
        answer(&reply, ready.map(|_| json!({ "sid": sid })));
    }

    fn published(&mut self, waiting: Waiting, message: Option<publish_track_callback::Message>) {
        let Waiting::Publish { reply, microphone } = waiting else { return };
        let publication = match message {
            Some(publish_track_callback::Message::Publication(publication)) => publication,
            Some(publish_track_callback::Message::Error(error)) => return answer(&reply, Err(error)),
            None => return answer(&reply, Err("the library says nothing".into())),
        };
        let track = microphone.track.id;
        let sid = publication.info.sid.clone();
        let identity = self.identity.clone();
        self.found(&identity, publication);
        self.mine.insert(sid.clone(), track);
        self.microphones.insert(track, microphone);
        self.hum(track);
        answer(&reply, Ok(json!({ "sid": sid })));
    }

    fn hum(&mut self, track: u64) {
        let id = self.next_id();
        let Some(microphone) = self.microphones.get_mut(&track) else { return }; // taken back
        match microphone.hum(id) {
            Ok(()) => drop(self.waiting.insert(id, Waiting::Hum { track })),
            Err(error) => eprintln!("rustparticipant: {error}"),
        }
    }

    fn see(&mut self, event: VideoStreamEvent) {
        let Some(video_stream_event::Message::FrameReceived(frame)) = event.message else { return };
        let _buffer = self.ffi.handle(frame.buffer.handle.id);
        if let Some(identity) = self.streams.get(&event.stream_handle) {
            *self.frames.entry(identity.clone()).or_default() += 1;
        }
    }

    fn listen(&mut self, event: AudioStreamEvent) {
        let Some(audio_stream_event::Message::FrameReceived(received)) = event.message else { return };
        let _buffer = self.ffi.handle(received.frame.handle.id);
        if let Some(identity) = self.streams.get(&event.stream_handle) {
            *self.energy.entry(identity.clone()).or_default() += energy(&received.frame.info);
        }
    }

    pub fn met(&mut self, participant: OwnedParticipant) {
        let handle = self.ffi.handle(participant.handle.id);
        let person = Person { sid: participant.info.sid, publications: HashMap::new(), _handle: handle };
        self.people.insert(participant.info.identity, person);
    }

    pub fn found(&mut self, identity: &str, publication: OwnedTrackPublication) {
        let handle = self.ffi.handle(publication.handle.id);
        if let Some(person) = self.people.get_mut(identity) {
            let sid = publication.info.sid.clone();
            person.publications.insert(sid, Publication { info: publication.info, received: None, _handle: handle });
        }
    }

    /// Begins to leave the room, if in any.
    pub fn leave(&mut self) -> Result<bool, String> {
        let Some(room) = &self.room else { return Ok(false) };
        let room_handle = room.handle.id;
        let id = self.next_id();
        ask!(self.ffi, Disconnect(DisconnectRequest { room_handle, request_async_id: Some(id), reason: None }))?;
        self.waiting.insert(id, Waiting::Leave);
        Ok(true)
    }

    pub fn left(&self) -> bool {
        self.room.is_none()
    }
}
