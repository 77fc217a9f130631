// What becomes of the media itself: redundancy, mutes, rates, codecs.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { wantAudio, wantVideo, without } from '../harness/media.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();

stage.inBothModes('redundant audio is heard by those who take it, and by those who do not', async (call) => {
  const alice = await call.browser('alice');
  const listeners = [await call.browser('bob'), await call.node('node'), await call.go('go')];
  const published = await alice.publishMicrophone();
  for (const who of listeners) {
    await who.events.want('trackSubscribed', { identity: 'alice', source: 'microphone' });
    await wantAudio(who, 'alice');
  }
  const { tracks } = await call.api.getParticipant(call.room, 'alice');
  assert.deepEqual(tracks.map((t) => [t.sid, t.mimeType]), [[published.sid, 'audio/red']]);
  const sent = await alice.sentAudio();
  assert.equal(sent.first, 'audio/red');
  assert.match(sent.opus, /usedtx=1/);
});

stage.test('silence is hardly sent, with redundancy too, and the sound after it is heard', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  await alice.publishVoice();
  const wantLevel = (what, takes) => waitFor(`bob to hear ${what}`, async () => {
    const { level } = await bob.audio('alice');
    if (takes(level)) return true;
    throw new Error(`level ${level}`);
  });
  // What is sent, and what arrives, while alice's encoder is given five seconds.
  const rates = async () => {
    const [began, had] = [await alice.sentAudio(), await bob.audio('alice')];
    const now = await waitFor('five seconds of sound', async () => {
      const sent = await alice.sentAudio();
      return sent.seconds >= began.seconds + 5 && sent;
    });
    const seconds = now.seconds - began.seconds;
    return [(now.packets - began.packets) / seconds, ((await bob.audio('alice')).packets - had.packets) / seconds];
  };
  await wantLevel('a voice', (level) => level > 0.05);
  const { tracks } = await call.api.getParticipant(call.room, 'alice');
  assert.deepEqual(tracks.map((t) => t.mimeType), ['audio/red']);
  await alice.speak(false);
  await wantLevel('nothing', (level) => level < 0.001);
  for (const rate of await rates()) assert.ok(rate > 0 && rate < 10, `${rate} packets a second`);
  await alice.speak(true);
  await wantLevel('the voice again', (level) => level > 0.05);
});

stage.inBothModes('sound that comes without redundancy has it for those who take it', async (call) => {
  const talker = await call.go('talker');
  const alice = await call.browser('alice');
  const listeners = [alice, await call.node('node'), await call.go('go')];
  await talker.publishMicrophone();
  for (const who of listeners) {
    await who.events.want('trackSubscribed', { identity: 'talker', source: 'microphone' });
    await wantAudio(who, 'talker');
  }
  const { tracks } = await call.api.getParticipant(call.room, 'talker');
  assert.deepEqual(tracks.map((t) => t.mimeType), ['audio/opus']);
  const { packets, bytes } = await listeners.at(-1).received('talker', 'microphone');
  const { each, mime } = await alice.audio('talker');
  assert.equal(mime, 'audio/opus', 'what is decoded');
  assert.ok(each > 1.6 * bytes / packets && each < 2.4 * bytes / packets, `${each} bytes each, and ${bytes / packets} without redundancy`);
  await wantAudio(alice, 'talker');
});

// VP8 in one stream and in several, and H264 where the browser has it.
for (const [name, options] of [['vp8', {}], ['vp8 in layers', { width: 640, height: 360, simulcast: true }], ['h264', { codec: 'h264' }]]) {
  stage.test(`a mute clears the picture of ${name}, and its end brings it back`, async (call) => {
    const alice = await call.browser('alice');
    const bob = await call.browser('bob');
    await alice.publishCamera(options);
    await wantVideo(bob, 'alice');
    for (let i = 0; i < 3; i++) {
      const { width } = await bob.video('alice');
      await call.api.mutePublishedTrack(call.room, 'alice', (await call.api.getParticipant(call.room, 'alice')).tracks[0].sid, true);
      await waitFor('the picture to be gone', async () => (await bob.video('alice')).decodedWidth === 16);
      await alice.setMuted('camera', false);
      await waitFor('the picture to be back', async () => (await bob.video('alice')).width >= width);
      await wantVideo(bob, 'alice');
    }
  });
}

stage.inBothModes('video waits as long as the room says', async (call) => {
  await call.api.createRoom({ name: call.room, minPlayoutDelay: 800, maxPlayoutDelay: 2000 });
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  await alice.publishCamera();
  await wantVideo(bob, 'alice');
  await waitFor('frames to wait', async () => {
    const before = await bob.video('alice');
    await wantVideo(bob, 'alice', 10);
    const after = await bob.video('alice');
    const each = (after.waited - before.waited) / (after.emitted - before.emitted);
    if (each > 0.6 && each < 2.5) return each;
    throw new Error(`${each} s`);
  }, 30_000);
});

// Policies: 0 has everybody change to the second codec, 1 has both sent.
for (const [codec, policy, carolGets] of [['vp9', 0, 'video/VP8'], ['vp9', 1, 'video/VP9'], ['av1', 1, 'video/AV1']]) {
  stage.inBothModes(`who does not decode ${codec} gets the backup, by policy ${policy}`, async (call) => {
    const alice = await call.browser('alice');
    const bob = await call.stranger('bob');
    const carol = await call.browser('carol');
    await bob.page.evaluate(without(codec));
    await bob.enter(call.server, call.room);
    const { sid } = await alice.publishCamera({ width: 640, height: 360, codec, backupCodec: { codec: 'vp8' }, backupCodecPolicy: policy });
    const patience = 40_000; // each codec is encoded and decoded by one busy machine
    await waitFor('bob to see VP8', async () => (await bob.video('alice')).mime === 'video/VP8', patience);
    await wantVideo(bob, 'alice', 5, patience);
    await waitFor('carol to see hers', async () => (await carol.video('alice')).mime === carolGets, patience);
    await wantVideo(carol, 'alice', 5, patience);
    const { tracks } = await call.api.getParticipant(call.room, 'alice');
    assert.deepEqual(tracks.map((t) => t.sid), [sid], 'it is one track');
  });
}
