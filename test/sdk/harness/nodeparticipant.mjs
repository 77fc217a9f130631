// A participant on @livekit/rtc-node, with media that it draws and hums itself.

import {
  AudioFrame, AudioSource, AudioStream, ConnectionQuality, DataPacketKind, DisconnectReason, LocalAudioTrack, LocalVideoTrack, Room, RoomEvent,
  SimulateScenarioKind, TrackKind, TrackPublishOptions, TrackSource, VideoBufferType, VideoFrame, VideoSource, VideoStream, dispose,
} from '@livekit/rtc-node';
import { Recorder } from './recorder.mjs';
import { joinToken } from './tokens.mjs';
import { within } from './wait.mjs';

const sources = {
  [TrackSource.SOURCE_CAMERA]: 'camera',
  [TrackSource.SOURCE_MICROPHONE]: 'microphone',
  [TrackSource.SOURCE_SCREENSHARE]: 'screen_share',
};
const qualities = {
  [ConnectionQuality.QUALITY_POOR]: 'poor', [ConnectionQuality.QUALITY_GOOD]: 'good',
  [ConnectionQuality.QUALITY_EXCELLENT]: 'excellent', [ConnectionQuality.QUALITY_LOST]: 'lost',
};
const kinds = { [TrackKind.KIND_AUDIO]: 'audio', [TrackKind.KIND_VIDEO]: 'video' };

export class NodeParticipant {
  static #used = false;

  #room = new Room();
  #frames = new Map(); // identity -> pictures received
  #energy = new Map(); // identity -> sum of squared samples received
  #stops = [];
  #left = false;
  #tell;

  static async join(server, room, identity, { connections, ...tokenOptions } = {}) {
    return NodeParticipant.enter(server.ws, await joinToken(room, identity, tokenOptions), identity, { connections });
  }

  /** Joins; tell, if given, hears of each event as well; connections: how many peer connections it makes. */
  static async enter(url, token, identity, { tell, connections } = {}) {
    NodeParticipant.#used = true;
    const participant = new NodeParticipant();
    participant.identity = identity;
    participant.events = new Recorder(`rtc-node participant ${identity}`);
    participant.#tell = tell;
    participant.#record();
    await within(`rtc-node participant ${identity} to join`,
      participant.#room.connect(url, token, {
        autoSubscribe: true, dynacast: false, ...(connections && { singlePeerConnection: connections === 1 }),
      }));
    participant.sid = participant.#room.localParticipant.sid;
    return participant;
  }

  /** Notes that the SDK is used, in whatever way. */
  static used() { NodeParticipant.#used = true; }

  /** Ends the SDK's native threads, so that the process can end. */
  static async dispose() {
    if (NodeParticipant.#used) await dispose();
  }

  #record() {
    const tell = (event, fields = {}) => {
      this.events.push({ event, ...fields });
      this.#tell?.({ event, ...fields });
    };
    const track = (pub, p) => ({
      identity: p.identity, sid: pub.sid, kind: kinds[pub.kind], source: sources[pub.source], mime: pub.mimeType,
    });
    this.#room
      .on(RoomEvent.ParticipantConnected, (p) => tell('participantConnected', { identity: p.identity, sid: p.sid }))
      .on(RoomEvent.ParticipantDisconnected, (p) => tell('participantDisconnected', { identity: p.identity, sid: p.sid }))
      .on(RoomEvent.TrackPublished, (pub, p) => tell('trackPublished', track(pub, p)))
      .on(RoomEvent.TrackUnpublished, (pub, p) => tell('trackUnpublished', track(pub, p)))
      .on(RoomEvent.TrackSubscribed, (media, pub, p) => {
        this.#receive(media, p.identity);
        tell('trackSubscribed', track(pub, p));
      })
      .on(RoomEvent.TrackUnsubscribed, (_, pub, p) => tell('trackUnsubscribed', track(pub, p)))
      .on(RoomEvent.TrackMuted, (pub, p) => tell('trackMuted', track(pub, p)))
      .on(RoomEvent.TrackUnmuted, (pub, p) => tell('trackUnmuted', track(pub, p)))
      .on(RoomEvent.LocalTrackPublished, (pub) => tell('localTrackPublished', { sid: pub.sid }))
      .on(RoomEvent.LocalTrackUnpublished, (pub) => tell('localTrackUnpublished', { sid: pub?.sid })) // the SDK has forgotten it by then
      .on(RoomEvent.ActiveSpeakersChanged, (speakers) => tell('activeSpeakers', { identities: speakers.map((p) => p.identity) }))
      .on(RoomEvent.ConnectionQualityChanged, (quality, p) => tell('connectionQuality', { identity: p.identity, quality: qualities[quality] }))
      .on(RoomEvent.ParticipantMetadataChanged, (metadata, p) => tell('metadata', { identity: p.identity, metadata }))
      .on(RoomEvent.ParticipantNameChanged, (name, p) => tell('name', { identity: p.identity, name }))
      .on(RoomEvent.ParticipantAttributesChanged, (changed, p) => tell('attributes', { identity: p.identity, changed }))
      .on(RoomEvent.RoomMetadataChanged, (metadata) => tell('roomMetadata', { metadata }))
      .on(RoomEvent.DataReceived, (payload, p, kind, topic) => tell('data', {
        from: p?.identity ?? '', text: new TextDecoder().decode(payload), topic: topic ?? '',
        reliable: kind === DataPacketKind.KIND_RELIABLE,
      }))
      .on(RoomEvent.Moved, () => tell('moved', { room: this.#room.name }))
      .on(RoomEvent.Reconnecting, () => tell('reconnecting'))
      .on(RoomEvent.Reconnected, () => tell('reconnected'))
      .on(RoomEvent.Disconnected, (reason) => tell('disconnected', { reason: DisconnectReason[reason] ?? '' }));
  }

  async #receive(media, identity) {
    const stream = media.kind === TrackKind.KIND_VIDEO ? new VideoStream(media) : new AudioStream(media);
    const reader = stream.getReader();
    this.#stops.push(() => reader.cancel());
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (media.kind === TrackKind.KIND_VIDEO) {
        this.#frames.set(identity, (this.#frames.get(identity) ?? 0) + 1);
      } else {
        const energy = value.data.reduce((sum, sample) => sum + (sample / 32768) ** 2, 0);
        this.#energy.set(identity, (this.#energy.get(identity) ?? 0) + energy);
      }
    }
  }

  publishCamera() { return this.#publishPictures('camera', TrackSource.SOURCE_CAMERA); }
  publishScreen() { return this.#publishPictures('screen', TrackSource.SOURCE_SCREENSHARE); }

  /** Publishes a picture that changes with every frame. */
  async #publishPictures(name, source) {
    const [width, height, rate] = [320, 180, 15];
    const pictures = new VideoSource(width, height);
    const track = LocalVideoTrack.createVideoTrack(name, pictures);
    let n = 0;
    const draw = () => {
      const i420 = new Uint8Array((width * height * 3) / 2).fill((n * 7) % 200 + 20, 0, width * height).fill(128, width * height);
      pictures.captureFrame(new VideoFrame(i420, width, height, VideoBufferType.I420));
      n++;
    };
    const timer = setInterval(draw, 1000 / rate);
    this.#stops.push(() => clearInterval(timer), () => pictures.close());
    const options = new TrackPublishOptions({ source, simulcast: false });
    const publication = await within(`rtc-node participant ${this.identity} to publish a ${name}`,
      this.#room.localParticipant.publishTrack(track, options));
    return { sid: publication.sid };
  }

  /** Publishes a 440 Hz tone. */
  async publishMicrophone() {
    const rate = 48_000;
    const source = new AudioSource(rate, 1);
    const track = LocalAudioTrack.createAudioTrack('microphone', source);
    const samples = new Int16Array(rate / 50);
    let humming = true;
    let n = 0;
    const hum = async () => {
      while (humming) {
        for (let i = 0; i < samples.length; i++) samples[i] = 12_000 * Math.sin((2 * Math.PI * 440 * n++) / rate);
        await source.captureFrame(new AudioFrame(samples, rate, 1, samples.length));
      }
    };
    hum().catch((error) => { if (humming) this.events.push({ event: 'failed', message: error.message }); });
    this.#stops.push(() => { humming = false; });
    const options = new TrackPublishOptions({ source: TrackSource.SOURCE_MICROPHONE });
    const publication = await within(`rtc-node participant ${this.identity} to publish a microphone`,
      this.#room.localParticipant.publishTrack(track, options));
    return { sid: publication.sid };
  }

  unpublish(sid) { return this.#room.localParticipant.unpublishTrack(sid); }
  sendData(text, { reliable = true, topic = '', to = [] } = {}) {
    return this.#room.localParticipant.publishData(new TextEncoder().encode(text), { reliable, topic, destination_identities: to });
  }
  answerCalls(method) {
    this.#room.localParticipant.registerRpcMethod(method, async ({ payload, callerIdentity }) => `${method} ${callerIdentity ? payload : ''}`);
  }
  call(identity, method, payload) {
    return this.#room.localParticipant.performRpc({ destinationIdentity: identity, method, payload });
  }
  /** Tells each text and each bunch of bytes that come in on the topic. */
  listen(topic) {
    this.#room.registerTextStreamHandler(topic, async (reader, { identity }) =>
      this.events.push({ event: 'text', from: identity, text: await reader.readAll() }));
    this.#room.registerByteStreamHandler(topic, async (reader, { identity }) => {
      const bytes = (await reader.readAll()).flatMap((chunk) => [...chunk]);
      this.events.push({ event: 'bytes', from: identity, size: bytes.length, sum: bytes.reduce((a, b) => a + b, 0) });
    });
  }
  async sendText(text, topic) { await this.#room.localParticipant.sendText(text, { topic }); }
  /** Writes pieces of a text in somebody else's name, as agents may. */
  async sayFor(identity, pieces, topic) {
    const writer = await this.#room.localParticipant.streamText({ topic, senderIdentity: identity });
    for (const piece of pieces) await writer.write(piece);
    await writer.close();
  }
  async sendBytes(size, topic) {
    const writer = await this.#room.localParticipant.streamBytes({ topic, totalSize: size, name: 'file' });
    await writer.write(new Uint8Array(size).map((_, i) => i));
    await writer.close();
  }
  setMetadata(metadata) { return this.#room.localParticipant.updateMetadata(metadata); }
  setName(name) { return this.#room.localParticipant.updateName(name); }
  setAttributes(attributes) { return this.#room.localParticipant.setAttributes(attributes); }

  simulate(scenario) {
    return this.#room.simulateScenario({
      'signal-reconnect': SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT,
      'full-reconnect': SimulateScenarioKind.SIMULATE_FULL_RECONNECT,
    }[scenario]);
  }

  videoFrames(identity) { return this.#frames.get(identity) ?? 0; }
  audioEnergy(identity) { return this.#energy.get(identity) ?? 0; }

  async leave() {
    if (this.#left) return;
    this.#left = true;
    for (const stop of this.#stops) await stop();
    await within(`rtc-node participant ${this.identity} to leave`, this.#room.disconnect());
  }
}
