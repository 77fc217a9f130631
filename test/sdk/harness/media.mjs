// Seeing and hearing: counters that grow only while media really arrives.

import { waitFor } from './wait.mjs';

/** Waits until viewer has painted `more` further pictures of identity's camera. */
export async function wantVideo(viewer, identity, more = 5, deadline = undefined) {
  const before = await viewer.videoFrames(identity);
  return waitFor(`${viewer.identity} to see ${identity}`, async () => {
    const now = await viewer.videoFrames(identity);
    if (now >= before + more) return now;
    throw new Error(`${now - before} pictures`);
  }, deadline);
}

/** Waits until listener has heard more sound from identity's microphone. */
export async function wantAudio(listener, identity, deadline = undefined) {
  const before = await listener.audioEnergy(identity);
  return waitFor(`${listener.identity} to hear ${identity}`, async () => {
    const now = await listener.audioEnergy(identity);
    if (now > before) return now;
    throw new Error(`energy ${now}`);
  }, deadline);
}

/** Has a page's browser know no codec of that name, in whatever it offers and answers. */
export const without = (codec) => `{
  const keep = (t) => {
    if (t.receiver.track.kind === 'video') {
      t.setCodecPreferences(RTCRtpReceiver.getCapabilities('video').codecs.filter((c) => !/${codec}/i.test(c.mimeType)));
    }
  };
  const { addTransceiver, createAnswer } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.addTransceiver = function (...args) {
    const t = addTransceiver.apply(this, args);
    keep(t);
    return t;
  };
  RTCPeerConnection.prototype.createAnswer = function (...args) {
    this.getTransceivers().forEach(keep);
    return createAnswer.apply(this, args);
  };
}`;
