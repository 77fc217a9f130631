// Layers as a subscriber wishes them, in each way that browsers make them, and
// as nobody wishes them.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { scene } from '../harness/scene.mjs';
import { wantVideo } from '../harness/media.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();
const size = { width: 640, height: 360 };

// Has a page's browser agree to no dependency descriptor.
const withoutDescriptors = `{
  const { setRemoteDescription } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
    sdp = sdp.split('\\r\\n').filter((line) => !line.includes('dependency-descriptor')).join('\\r\\n');
    return setRemoteDescription.call(this, { type, sdp });
  };
}`;

const wantWidth = (viewer, identity, what, takes) => waitFor(
  `${viewer.identity} to see ${identity} ${what}`,
  async () => {
    const { width } = await viewer.video(identity);
    if (takes(width)) return width;
    throw new Error(`pictures of width ${width}`);
  },
  30_000,
);

for (const codec of ['vp8', 'h264']) {
  stage.test(`the picture of ${codec} is as large as is wished`, async (call) => {
    const alice = await call.browser('alice');
    const bob = await call.browser('bob');
    const carol = await call.browser('carol');
    await alice.publishCamera({ ...size, codec, simulcast: true });
    for (const viewer of [bob, carol]) {
      await viewer.events.want('trackSubscribed', { identity: 'alice', source: 'camera' });
      await wantWidth(viewer, 'alice', 'in full size', (width) => width === size.width);
    }
    await bob.setQuality('alice', 'camera', 0);
    await wantWidth(bob, 'alice', 'small', (width) => width > 0 && width < size.width);
    await wantVideo(bob, 'alice', 10);
    await wantWidth(carol, 'alice', 'in full size still', (width) => width === size.width);
    await bob.setQuality('alice', 'camera', 2);
    await wantWidth(bob, 'alice', 'in full size again', (width) => width === size.width);
    await wantVideo(bob, 'alice', 10);
  });
}

// How many pictures each viewer decodes of alice in a few seconds.
async function rates(viewers) {
  const decoded = () => Promise.all(viewers.map(async (viewer) => (await viewer.video('alice')).decoded));
  const before = await decoded();
  await sleep(2000);
  return (await decoded()).map((n, i) => n - before[i]);
}

// Chromium makes temporal layers of VP8 with simulcast by itself, and of others when it is asked to.
for (const { codec, simulcast = false, mode } of [
  { codec: 'vp8', simulcast: true }, { codec: 'h264', mode: 'L1T3' }, { codec: 'vp9', mode: 'L1T3' },
]) {
  stage.test(`pictures of ${codec} ${mode ?? 'in layers'} are as many as are wished`, async (call) => {
    const alice = await call.browser('alice');
    const bob = await call.browser('bob');
    const carol = await call.browser('carol');
    await alice.publishCamera({ ...size, codec, simulcast, frameRate: 30 });
    if (mode) await alice.setScalability(mode);
    for (const viewer of [bob, carol]) await wantVideo(viewer, 'alice', 30);
    const want = (what, takes) => waitFor(`bob to decode ${what} of carol's pictures`, async () => {
      const [his, hers] = await rates([bob, carol]);
      if (hers > 0 && takes(his / hers)) return true;
      throw new Error(`${his} of ${hers}`);
    }, 40_000);
    await want('all', (part) => part > 0.9);
    await bob.setFPS('alice', 'camera', 5);
    await want('half or less', (part) => part > 0.1 && part < 0.65);
    await bob.setFPS('alice', 'camera', 60);
    await want('all again', (part) => part > 0.9);
    await wantWidth(bob, 'alice', 'in full size', (width) => width === size.width);
  });
}

// VP9 and AV1 have their layers of both kinds inside one stream, as the SDK asks for them (L3T3_KEY). Without the
// dependency descriptor VP9 tells of them itself.
for (const { codec, told = true } of [{ codec: 'vp9' }, { codec: 'vp9', told: false }, { codec: 'av1' }]) {
  stage.test(`pictures of ${codec} in one stream ${told ? '' : 'without descriptors '}are as large and as many as are wished`, async (call, t) => {
    const alice = await call.stranger('alice');
    if (!told) await alice.page.evaluate(withoutDescriptors);
    await alice.enter(call.server, call.room);
    const bob = await call.browser('bob');
    await alice.publishCamera({ ...size, codec, simulcast: true, frameRate: 30 });
    const want = (what, wide, takes) => waitFor(`bob to see ${what}`, async () => {
      const [before, sent] = [await bob.video('alice'), await alice.captured()];
      await bob.gap('alice');
      await sleep(2000);
      const [after, all, gap] = [await bob.video('alice'), (await alice.captured()) - sent, await bob.gap('alice')];
      const n = after.decoded - before.decoded;
      t.diagnostic(`${what}: ${n} of ${all} pictures of width ${after.width}, ${Math.round(gap)} ms apart`);
      if (all > 0 && takes(n / all) && (after.width === size.width) === wide && after.width > 0 && gap < 1000) return true;
      throw new Error(`${n} of ${all} pictures of width ${after.width}, up to ${gap} ms apart`);
    }, 30_000);
    assert.equal((await alice.extensions()).some((uri) => uri.includes('dependency-descriptor')), told);
    await want('all in full size', true, (part) => part > 0.85);
    await bob.setFPS('alice', 'camera', 5);
    await want('half or less in full size', true, (part) => part > 0.1 && part < 0.65);
    await bob.setQuality('alice', 'camera', 0);
    await want('half or less, small', false, (part) => part > 0.1 && part < 0.65);
    await bob.setFPS('alice', 'camera', 60);
    await want('all, small', false, (part) => part > 0.85);
    await bob.setQuality('alice', 'camera', 2);
    await want('all in full size again', true, (part) => part > 0.85);
  });
}

stage.test('pictures are as large as they are shown, and not sent while they are hidden', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.stranger('bob');
  await bob.setAdaptiveStream(true);
  await bob.enter(call.server, call.room);
  const carol = await call.browser('carol');
  await alice.publishCamera({ ...size, simulcast: true });
  await wantVideo(bob, 'alice');
  await bob.showAt('alice', size.width, size.height);
  await wantWidth(bob, 'alice', 'in full size', (width) => width === size.width);
  await bob.showAt('alice', 128, 72);
  await wantWidth(bob, 'alice', 'small', (width) => width > 0 && width < size.width);
  await bob.showAt('alice', 0, 0);
  const received = async () => (await bob.video('alice')).packets;
  await waitFor('nothing to be sent to bob', async () => {
    const before = await received();
    await wantVideo(carol, 'alice', 15);
    return (await received()) === before;
  });
  await bob.showAt('alice', size.width, size.height);
  await wantWidth(bob, 'alice', 'in full size again', (width) => width === size.width);
  await wantVideo(bob, 'alice', 10);
});

stage.test('layers that nobody wishes are not sent, and come back', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  await alice.setDynacast(true);
  await alice.publishCamera({ ...size, simulcast: true });
  await wantWidth(bob, 'alice', 'in full size', (width) => width === size.width);
  const sends = async () => {
    const before = await alice.sentFrames();
    await wantVideo(bob, 'alice', 15);
    const after = await alice.sentFrames();
    return Object.keys(after).filter((rid) => after[rid] > (before[rid] ?? 0)).sort().join('');
  };
  await bob.setQuality('alice', 'camera', 0);
  await waitFor('the low layer alone to be sent', async () => (await sends()) === 'q', 40_000);
  await bob.setQuality('alice', 'camera', 2);
  await wantWidth(bob, 'alice', 'in full size again', (width) => width === size.width);
});
