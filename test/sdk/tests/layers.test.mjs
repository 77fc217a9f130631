// Layers as a subscriber wishes them, in each way that browsers make them, and
// as nobody wishes them.

import { setTimeout as sleep } from 'node:timers/promises';
import { scene } from '../harness/scene.mjs';
import { wantVideo } from '../harness/media.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();
const size = { width: 640, height: 360 };

const wantWidth = (viewer, identity, what, takes) => waitFor(
  `${viewer.identity} to see ${identity} ${what}`,
  async () => {
    const { width } = await viewer.video(identity);
    if (takes(width)) return width;
    throw new Error(`pictures of width ${width}`);
  },
  30_000,
);

// VP8 has a stream for each layer; VP9 has its layers inside one.
for (const codec of ['vp8', 'vp9']) {
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
  await sleep(3000);
  return (await decoded()).map((n, i) => n - before[i]);
}

// Chromium makes temporal layers of VP8 with simulcast by itself, and of others when it is asked to.
for (const { codec, simulcast = false, mode } of [
  { codec: 'vp8', simulcast: true }, { codec: 'vp8', mode: 'L1T2' }, { codec: 'h264', mode: 'L1T3' }, { codec: 'vp9', mode: 'L1T3' }, { codec: 'av1', mode: 'L1T3' },
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
