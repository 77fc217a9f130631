// What a narrow link carries: video follows it down layer by layer, is paused
// when not even the lowest fits, and is back soon after the link is.

import assert from 'node:assert/strict';
import { netScene } from '../harness/scene.mjs';
import { wantAudio, wantVideo } from '../../sdk/harness/media.mjs';
import { waitFor } from '../../sdk/harness/wait.mjs';

const stage = netScene();
const camera = { width: 960, height: 540, simulcast: true };

// Waits until viewer paints pictures of identity's camera whose width the condition takes.
const wantWidth = (viewer, identity, what, takes, deadline) => waitFor(
  `${viewer.identity} to see ${identity} ${what}`,
  async () => {
    const { width } = await viewer.video(identity);
    if (takes(width)) return width;
    throw new Error(`pictures of width ${width}`);
  },
  deadline,
);

stage.inBothModes('video follows its subscriber\'s bandwidth down to a pause and back', async (call, t) => {
  const home = await call.place('home');
  const bob = await call.browserAt(home, 'bob');
  assert.equal(await bob.peerConnections(), call.connections);
  const alice = await call.browser('alice');
  await alice.publishCamera(camera);
  await wantVideo(bob, 'alice');
  await waitFor('all layers to be sent', async () => (await alice.sentLayers()).length === 3, 30_000);
  await wantWidth(bob, 'alice', 'in full size', (width) => width === 960, 30_000);
  const since = (began) => `${((Date.now() - began) / 1000).toFixed(1)} s`;

  let began = Date.now();
  await home.set({ down: { rate: 300_000, queue: 40_000 } });
  await wantWidth(bob, 'alice', 'in a lower layer', (width) => width < 960, 20_000);
  t.diagnostic(`a lower layer ${since(began)} after the link became narrow`);
  await wantVideo(bob, 'alice', 10);
  assert.equal(bob.events.all('streamState', { state: 'paused' }).length, 0, 'what fits is not paused');

  let from = bob.events.list.length;
  began = Date.now();
  await home.set({ down: { rate: 50_000, queue: 20_000 } });
  await bob.events.want('streamState', { identity: 'alice', source: 'camera', state: 'paused' }, { from, deadline: 20_000 });
  t.diagnostic(`paused ${since(began)} after the link became narrower`);

  from = bob.events.list.length;
  began = Date.now();
  await home.mend();
  await bob.events.want('streamState', { identity: 'alice', source: 'camera', state: 'active' }, { from, deadline: 10_000 });
  t.diagnostic(`active ${since(began)} after the link recovered`);
  await wantVideo(bob, 'alice');
  await wantWidth(bob, 'alice', 'in full size again', (width) => width === 960, 20_000);
  t.diagnostic(`in full size ${since(began)} after the link recovered`);
});
