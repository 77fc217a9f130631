// The net itself: a place reaches the server, and the cable does what it is told.

import assert from 'node:assert/strict';
import { netScene, ports } from '../harness/scene.mjs';
import { hub } from '../harness/network.mjs';
import { wantAudio, wantVideo } from '../../sdk/harness/media.mjs';
import { waitFor } from '../../sdk/harness/wait.mjs';

const stage = netScene();

stage.test('a browser behind a cable and one beside the server see and hear each other', async (call) => {
  const home = await call.place('home');
  const alice = await call.browserAt(home, 'alice');
  const bob = await call.browser('bob');
  for (const who of [alice, bob]) {
    await who.publishCamera();
    await who.publishMicrophone();
  }
  await wantVideo(alice, 'bob');
  await wantAudio(alice, 'bob');
  await wantVideo(bob, 'alice');
  for (const route of await alice.route()) {
    assert.equal(route.protocol, 'udp');
    assert.equal(route.remote, `${hub.ipv4}:${ports.udp}`);
  }
  const before = await home.counts();
  await home.cut();
  await waitFor('the cable to lose what is sent', async () => (await home.counts()).down.lost > before.down.lost + 10);
  await home.mend();
  await wantVideo(alice, 'bob');

  await home.set({ up: { delayMs: 60 }, down: { delayMs: 60 } });
  await waitFor('the delay to be felt', async () => (await alice.route()).some((route) => route.rtt >= 0.12));
});

stage.test('the Go SDK and rtc-node come from places of their own', async (call) => {
  const go = await call.goAt(await call.place('go'), 'go');
  const node = await call.nodeAt(await call.place('node'), 'node');
  await go.publishCamera();
  await node.publishCamera();
  await wantVideo(node, 'go');
  await wantVideo(go, 'node');
});
