// The browser's side of a test participant: the unmodified SDK, driven through
// window.participant. Each SDK event goes to window.record, which the harness
// provides.

import {
  ConnectionError, ConnectionErrorReason, DisconnectReason, ExternalE2EEKeyProvider, Room, RoomEvent, Track, VideoPreset,
} from 'livekit-client';
import { clapper } from './clapper.js';
import { watchParticipants } from './participantevents.js';

// Without the parameter the SDK does as it does by itself.
const connections = new URLSearchParams(location.search).get('connections');
// With it participants encrypt among themselves.
const secret = new URLSearchParams(location.search).get('secret');
const keyProvider = secret && new ExternalE2EEKeyProvider();
const room = new Room({
  adaptiveStream: false, dynacast: false, ...(connections && { singlePeerConnection: connections === '1' }),
  ...(secret && { encryption: { keyProvider, worker: new Worker('e2ee.worker.js') } }),
});
const dataTracks = new Map(); // own, by name
let voice; // how loud publishVoice's is
const frames = new Map(); // identity/source -> {count, width, height, gap}

function tell(event, fields = {}) {
  window.record({ event, ...fields });
}

function track(publication, participant) {
  return {
    identity: participant?.identity,
    sid: publication.trackSid,
    kind: publication.kind,
    source: publication.source,
    mime: publication.mimeType,
  };
}

room
  .on(RoomEvent.ConnectionStateChanged, (state) => tell('state', { state }))
  .on(RoomEvent.ParticipantConnected, (p) => tell('participantConnected', { identity: p.identity, sid: p.sid }))
  .on(RoomEvent.ParticipantDisconnected, (p) => tell('participantDisconnected', { identity: p.identity, sid: p.sid }))
  .on(RoomEvent.TrackPublished, (pub, p) => tell('trackPublished', track(pub, p)))
  .on(RoomEvent.TrackUnpublished, (pub, p) => tell('trackUnpublished', track(pub, p)))
  .on(RoomEvent.TrackSubscribed, (media, pub, p) => {
    show(media, `${p.identity}/${pub.source}`);
    tell('trackSubscribed', track(pub, p));
  })
  .on(RoomEvent.TrackUnsubscribed, (media, pub, p) => {
    media.detach().forEach((element) => element.remove());
    tell('trackUnsubscribed', track(pub, p));
  })
  .on(RoomEvent.TrackSubscriptionFailed, (sid, p, reason) => tell('trackSubscriptionFailed', { sid, identity: p.identity, reason }))
  .on(RoomEvent.TrackMuted, (pub, p) => tell('trackMuted', track(pub, p)))
  .on(RoomEvent.TrackUnmuted, (pub, p) => tell('trackUnmuted', track(pub, p)))
  .on(RoomEvent.TrackStreamStateChanged, (pub, state, p) => tell('streamState', { ...track(pub, p), state }))
  .on(RoomEvent.LocalTrackPublished, (pub, p) => tell('localTrackPublished', track(pub, p)))
  .on(RoomEvent.LocalTrackUnpublished, (pub, p) => tell('localTrackUnpublished', track(pub, p)))
  .on(RoomEvent.LocalTrackSubscribed, (pub, p) => tell('localTrackSubscribed', track(pub, p)))
  .on(RoomEvent.ActiveSpeakersChanged, (speakers) => tell('activeSpeakers', { identities: speakers.map((p) => p.identity) }))
  .on(RoomEvent.ConnectionQualityChanged, (quality, p) => tell('connectionQuality', { quality, identity: p.identity }))
  .on(RoomEvent.ParticipantMetadataChanged, (_, p) => tell('metadata', { identity: p.identity, metadata: p.metadata }))
  .on(RoomEvent.ParticipantNameChanged, (name, p) => tell('name', { identity: p.identity, name }))
  .on(RoomEvent.ParticipantAttributesChanged, (changed, p) => tell('attributes', { identity: p.identity, changed }))
  .on(RoomEvent.ParticipantPermissionsChanged, (_, p) => tell('permissions', {
    identity: p.identity, canPublish: p.permissions.canPublish, canSubscribe: p.permissions.canSubscribe,
  }))
  .on(RoomEvent.TrackSubscriptionPermissionChanged, (pub, status, p) => tell('subscriptionPermission', { ...track(pub, p), status }))
  .on(RoomEvent.RoomMetadataChanged, (metadata) => tell('roomMetadata', { metadata }))
  .on(RoomEvent.DataReceived, (payload, p, kind, topic) => tell('data', {
    from: p?.identity ?? '', text: new TextDecoder().decode(payload), topic: topic ?? '', reliable: kind === 0,
  }))
  .on(RoomEvent.RecordingStatusChanged, (recording) => tell('recording', { recording }))
  .on(RoomEvent.Moved, (name) => tell('moved', { room: name }))
  .on(RoomEvent.SignalReconnecting, () => tell('signalReconnecting'))
  .on(RoomEvent.Reconnecting, () => tell('reconnecting'))
  .on(RoomEvent.Reconnected, () => tell('reconnected'))
  .on(RoomEvent.Disconnected, (reason) => tell('disconnected', { reason: DisconnectReason[reason] ?? '' }));

watchParticipants(room, tell, track);

// show attaches a remote track to the page, and counts the pictures that it really paints.
function show(media, key) {
  const element = media.attach();
  document.getElementById('media').append(element);
  if (media.kind !== Track.Kind.Video) return;
  const seen = frames.get(key) ?? { count: 0, width: 0, height: 0, gap: 0 };
  frames.set(key, seen);
  let last = performance.now();
  const painted = (now, meta) => {
    seen.gap = Math.max(seen.gap, now - last);
    last = now;
    seen.count++;
    seen.width = meta.width;
    seen.height = meta.height;
    element.requestVideoFrameCallback(painted);
  };
  element.requestVideoFrameCallback(painted);
}

function remotePublication(identity, source) {
  return room.remoteParticipants.get(identity)?.getTrackPublication(source);
}

async function statsOf(target, type) {
  const report = await target?.getStats?.();
  return [...(report?.values() ?? [])].filter((s) => s.type === type);
}

window.participant = {
  async join(url, token, options = {}) {
    try {
      if (secret) {
        await keyProvider.setKey(secret);
        await room.setE2EEEnabled(true);
      }
      await room.connect(url, token, options);
      return { sid: room.localParticipant.sid, roomSid: await room.getSid() };
    } catch (error) {
      return {
        error: error.message,
        reason: error instanceof ConnectionError ? ConnectionErrorReason[error.reason] : error.name,
        status: error.status,
      };
    }
  },
  leave: () => room.disconnect(),

  async publishCamera({ width = 320, height = 180, codec = 'vp8', simulcast = false, frameRate = 15, backupCodec = false, backupCodecPolicy } = {}) {
    const publication = await room.localParticipant.setCameraEnabled(
      true,
      { resolution: new VideoPreset(width, height, 1_000_000, frameRate).resolution },
      { videoCodec: codec, simulcast, backupCodec, backupCodecPolicy, videoEncoding: { maxBitrate: 1_000_000, maxFramerate: frameRate } },
    );
    return { sid: publication.trackSid };
  },
  /** Has each layer of the camera made of temporal layers, as L1T3 says: the SDK leaves that to the browser. */
  async setScalability(mode) {
    const { sender } = room.localParticipant.getTrackPublication(Track.Source.Camera).track;
    const parameters = sender.getParameters();
    for (const encoding of parameters.encodings) encoding.scalabilityMode = mode;
    await sender.setParameters(parameters);
  },
  async publishMicrophone() {
    // The fake device beeps; what cleans up speech would clean that up too.
    const publication = await room.localParticipant.setMicrophoneEnabled(
      true, { echoCancellation: false, noiseSuppression: false, autoGainControl: false });
    return { sid: publication.trackSid };
  },
  /** Publishes a camera that flashes whenever the microphone beeps. */
  async publishClapper() {
    const { video, audio } = await clapper();
    await room.localParticipant.publishTrack(video, { source: Track.Source.Camera, videoCodec: 'vp8', simulcast: false });
    await room.localParticipant.publishTrack(audio, { source: Track.Source.Microphone, dtx: false });
  },
  /** Publishes a tone as a microphone, which speak() stops and begins: silence, not a mute. */
  async publishVoice() {
    const sound = new AudioContext({ sampleRate: 48_000 });
    const tone = new OscillatorNode(sound, { frequency: 440 });
    // One channel: the SDK sends two without redundancy and without pauses.
    const out = new MediaStreamAudioDestinationNode(sound, { channelCount: 1, channelCountMode: 'explicit' });
    voice = new GainNode(sound, { gain: 0.5 });
    tone.connect(voice).connect(out);
    tone.start();
    await sound.resume();
    await room.localParticipant.publishTrack(out.stream.getAudioTracks()[0], { source: Track.Source.Microphone });
  },
  speak(on) { voice.gain.value = on ? 0.5 : 0; },
  async setMuted(source, muted) {
    const publication = room.localParticipant.getTrackPublication(source);
    await (muted ? publication.mute() : publication.unmute());
  },
  async unpublish(source) {
    const publication = room.localParticipant.getTrackPublication(source);
    await room.localParticipant.unpublishTrack(publication.track);
  },
  setQuality: (identity, source, quality) => remotePublication(identity, source).setVideoQuality(quality),
  setFPS: (identity, source, fps) => remotePublication(identity, source).setVideoFPS(fps),
  /** Lets the SDK stop what nobody looks at; to be called before publishing. */
  setDynacast(on) { room.options.dynacast = on; },
  /** Lets the SDK ask for pictures as large as they are shown; to be called before joining. */
  setAdaptiveStream(on) { room.options.adaptiveStream = on; },
  /** Shows somebody's camera that large, in pixels of the page; a width of 0 hides it. */
  showAt(identity, width, height) {
    for (const { style } of remotePublication(identity, Track.Source.Camera).track.attachedElements) {
      Object.assign(style, { width: `${width}px`, height: `${height}px`, display: width ? 'block' : 'none' });
    }
  },
  setSubscribed: (identity, source, subscribed) => remotePublication(identity, source).setSubscribed(subscribed),

  /** Answers calls of the method with what the caller says, told back. */
  answerCalls: (method) => room.registerRpcMethod(method, async ({ payload, callerIdentity }) => `${method} ${callerIdentity ? payload : ''}`),
  call: (identity, method, payload) => room.localParticipant.performRpc({ destinationIdentity: identity, method, payload }),
  /** Tells each text and each bunch of bytes that come in on the topic. */
  listen(topic) {
    room.registerTextStreamHandler(topic, async (reader, { identity }) => tell('text', { from: identity, text: await reader.readAll() }));
    room.registerByteStreamHandler(topic, async (reader, { identity }) => {
      const chunks = await reader.readAll();
      const bytes = chunks.flatMap((chunk) => [...chunk]);
      tell('bytes', { from: identity, size: bytes.length, sum: bytes.reduce((a, b) => a + b, 0) });
    });
  },
  sendText: async (text, topic) => { await room.localParticipant.sendText(text, { topic }); },
  async sendBytes(size, topic) {
    await room.localParticipant.sendFile(new File([new Uint8Array(size).map((_, i) => i)], 'file'), { topic });
  },
  /** Publishes a data track, whose frames pushFrame sends, and takes another's by their names. */
  async publishDataTrack(name) { dataTracks.set(name, await room.localParticipant.publishDataTrack({ name })); },
  async pushFrame(name, text) { await dataTracks.get(name).tryPush({ payload: new TextEncoder().encode(text) }); },
  async unpublishDataTrack(name) { await dataTracks.get(name).unpublish(); },
  async takeDataTrack(identity, name) {
    const track = await room.remoteParticipants.get(identity).dataTracks.getDeferred(name);
    (async () => {
      for await (const frame of track.subscribe()) tell('frame', { from: identity, name, text: new TextDecoder().decode(frame.payload) });
      tell('framesEnded', { from: identity, name });
    })();
  },
  sendData: (text, options) => room.localParticipant.publishData(new TextEncoder().encode(text), options),
  /** Lets everybody subscribe to this participant's tracks, or nobody. */
  allowSubscribers: (all, permissions = []) => room.localParticipant.setTrackSubscriptionPermissions(all, permissions),
  setMetadata: (metadata) => room.localParticipant.setMetadata(metadata),
  setName: (name) => room.localParticipant.setName(name),
  setAttributes: (attributes) => room.localParticipant.setAttributes(attributes),

  simulate: (scenario, arg) => room.simulateScenario(scenario, arg),

  /** Which moment of its sender is played of sound and of pictures, in milliseconds. */
  async played() {
    const at = {};
    for (const participant of room.remoteParticipants.values()) {
      for (const { track } of participant.trackPublications.values()) {
        const [inbound] = await statsOf(track?.receiver, 'inbound-rtp');
        if (inbound?.estimatedPlayoutTimestamp) at[inbound.kind] = inbound.estimatedPlayoutTimestamp;
      }
    }
    return at;
  },
  /** In which media stream each track of somebody comes, by its source. */
  streams: (identity) => Object.fromEntries([...room.remoteParticipants.get(identity).trackPublications.values()]
    .map((pub) => [pub.source, pub.track?.mediaStream?.id])),
  /** The longest time between two painted pictures of a remote camera since it was asked for last, in milliseconds. */
  gap(identity) {
    const seen = frames.get(`${identity}/${Track.Source.Camera}`);
    const { gap } = seen;
    seen.gap = 0;
    return gap;
  },
  /** Painted pictures of a remote camera, and what the decoder says. */
  async video(identity, source = Track.Source.Camera) {
    const media = remotePublication(identity, source)?.track;
    const [inbound] = await statsOf(media?.receiver, 'inbound-rtp');
    const [codec] = (await statsOf(media?.receiver, 'codec')).filter((c) => c.id === inbound?.codecId);
    return {
      ...(frames.get(`${identity}/${source}`) ?? { count: 0, width: 0, height: 0 }),
      decoded: inbound?.framesDecoded ?? 0,
      packets: inbound?.packetsReceived ?? 0,
      // Seconds that frames have waited, all together, and how many they were.
      waited: inbound?.jitterBufferDelay ?? 0,
      emitted: inbound?.jitterBufferEmittedCount ?? 0,
      // How long they were to wait at least, had they all come at once: one that is late waits less.
      toWait: inbound?.jitterBufferTargetDelay ?? 0,
      decodedWidth: inbound?.frameWidth ?? 0,
      mime: codec?.mimeType,
    };
  },
  /** Energy of what a remote microphone has played so far: it grows only with sound. */
  async audio(identity) {
    const media = remotePublication(identity, Track.Source.Microphone)?.track;
    const [inbound] = await statsOf(media?.receiver, 'inbound-rtp');
    const [codec] = (await statsOf(media?.receiver, 'codec')).filter((c) => c.id === inbound?.codecId);
    // The codec is what is decoded: of redundant audio, what is inside. That there is redundancy shows by the size of packets.
    return {
      energy: inbound?.totalAudioEnergy ?? 0, level: inbound?.audioLevel ?? 0, packets: inbound?.packetsReceived ?? 0, mime: codec?.mimeType,
      each: (inbound?.bytesReceived ?? 0) / (inbound?.packetsReceived || 1),
    };
  },
  /** What the server has answered to the microphone: parameters of Opus, and the codec that is sent; how many packets, of how many seconds. */
  async sentAudio() {
    const media = room.localParticipant.getTrackPublication(Track.Source.Microphone)?.track;
    const { codecs } = media.sender.getParameters();
    const [outbound] = await statsOf(media.sender, 'outbound-rtp');
    const [source] = await statsOf(media.sender, 'media-source');
    return {
      opus: codecs.find((c) => c.mimeType === 'audio/opus')?.sdpFmtpLine, first: codecs[0].mimeType,
      packets: outbound?.packetsSent ?? 0, seconds: source?.totalSamplesDuration ?? 0,
    };
  },
  /** Packets that were asked for again and came so, of the own camera and of a remote one. */
  async repairs(identity) {
    const sent = await statsOf(room.localParticipant.getTrackPublication(Track.Source.Camera)?.track?.sender, 'outbound-rtp');
    const [inbound] = await statsOf(remotePublication(identity, Track.Source.Camera)?.track?.receiver, 'inbound-rtp');
    const sum = (name) => sent.reduce((all, s) => all + (s[name] ?? 0), 0);
    return {
      sent: { asked: sum('nackCount'), came: sum('retransmittedPacketsSent') },
      received: { asked: inbound?.nackCount ?? 0, came: inbound?.retransmittedPacketsReceived ?? 0 },
    };
  },
  /** The streams that the camera's sender really sends, one per simulcast layer. */
  async sentLayers() {
    const media = room.localParticipant.getTrackPublication(Track.Source.Camera)?.track;
    const streams = await statsOf(media?.sender, 'outbound-rtp');
    return streams.filter((s) => s.framesSent > 0).map((s) => ({ rid: s.rid ?? '', width: s.frameWidth, height: s.frameHeight, bytes: s.bytesSent }));
  },
  /** The candidate pairs that media travels over, by connection. */
  async route() {
    const { publisher, subscriber } = room.engine.pcManager;
    const routes = [];
    for (const [name, transport] of [['publisher', publisher], ['subscriber', subscriber]]) {
      const stats = [...(await transport?.getStats() ?? new Map()).values()];
      const by = new Map(stats.map((s) => [s.id, s]));
      const selected = by.get(stats.find((s) => s.type === 'transport')?.selectedCandidatePairId);
      if (!selected) continue;
      const [local, remote] = [by.get(selected.localCandidateId), by.get(selected.remoteCandidateId)];
      routes.push({
        name, protocol: local.protocol, relay: local.candidateType === 'relay' ? local.relayProtocol : '',
        local: `${local.address}:${local.port}`, remote: `${remote.address}:${remote.port}`,
        rtt: selected.currentRoundTripTime,
      });
    }
    return routes;
  },
  /** How many peer connections the SDK has made, by looking at its engine. */
  peerConnections() {
    const { pcManager } = room.engine;
    return pcManager.subscriber ? 2 : 1;
  },
  /** Frames sent of the camera so far, by simulcast rid. */
  async sentFrames() {
    const media = room.localParticipant.getTrackPublication(Track.Source.Camera)?.track;
    const streams = await statsOf(media?.sender, 'outbound-rtp');
    return Object.fromEntries(streams.map((s) => [s.rid ?? '', s.framesSent ?? 0]));
  },
  /** The header extensions that the camera is sent with. */
  extensions: () => room.localParticipant.getTrackPublication(Track.Source.Camera).track.sender.getParameters()
    .headerExtensions.map((e) => e.uri),
  /** Pictures that the camera has given its encoder so far. */
  async captured() {
    const media = room.localParticipant.getTrackPublication(Track.Source.Camera)?.track;
    return (await statsOf(media?.sender, 'media-source'))[0]?.frames ?? 0;
  },
  /** What the SDK holds true about the room right now. */
  view() {
    const describe = (p) => ({
      identity: p.identity, sid: p.sid, name: p.name, metadata: p.metadata, attributes: { ...p.attributes },
      tracks: [...p.trackPublications.values()].map((pub) => ({
        sid: pub.trackSid, source: pub.source, muted: pub.isMuted, subscribed: pub.isSubscribed ?? null,
      })),
    });
    return {
      state: room.state,
      room: room.name,
      recording: room.isRecording,
      metadata: room.metadata,
      local: describe(room.localParticipant),
      remotes: [...room.remoteParticipants.values()].map(describe),
    };
  },
};

// Joins and leaves, once with each token and a few at a time: in the very turn in
// which the SDK says that it is connected, by its promise or by its event.
window.comeAndGo = async (url, tokens, { by, atOnce }) => {
  const visit = async (token) => {
    const guest = new Room();
    if (by === 'event') {
      const gone = new Promise((resolve) => { guest.once(RoomEvent.Disconnected, resolve); });
      guest.once(RoomEvent.Connected, () => guest.disconnect());
      await guest.connect(url, token);
      await gone;
    } else {
      await guest.connect(url, token);
      await guest.disconnect();
    }
  };
  const left = [...tokens];
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (left.length) await visit(left.shift());
  }));
};

window.ready = true;
