// A browser, rtc-node and the Go SDK in one room, each way.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { scene } from '../harness/scene.mjs';
import { wantAudio, wantVideo } from '../harness/media.mjs';
import { soon, waitFor } from '../harness/wait.mjs';

const stage = scene();

/** A browser, an rtc-node and a Go participant in the call's room. */
async function everyKind(call) {
  const all = [await call.browser('browser'), await call.node('node'), await call.go('go')];
  for (const who of all) {
    for (const other of all) {
      if (other !== who && all.indexOf(other) > all.indexOf(who)) {
        await who.events.want('participantConnected', { identity: other.identity });
      }
    }
  }
  return all;
}

function pairs(all) {
  return all.flatMap((to) => all.filter((from) => from !== to).map((from) => [from, to]));
}

stage.inBothModes('each SDK sees and hears each other SDK', async (call) => {
  const all = await everyKind(call);
  for (const who of all) {
    await who.publishCamera();
    await who.publishMicrophone();
  }
  for (const [from, to] of pairs(all)) {
    await to.events.want('trackSubscribed', { identity: from.identity, source: 'camera' });
    await to.events.want('trackSubscribed', { identity: from.identity, source: 'microphone' });
    await wantVideo(to, from.identity);
    await wantAudio(to, from.identity);
  }
  const [, , go] = all;
  for (const identity of ['browser', 'node']) {
    await waitFor(`a key frame of ${identity}'s video`, async () => (await go.received(identity, 'camera')).keyFrames > 0);
  }
});

stage.inBothModes('each SDK sees what was published before it came', async (call) => {
  const go = await call.go('go');
  await go.publishCamera();
  await go.publishMicrophone();
  const node = await call.node('node');
  await node.publishCamera();
  await node.publishMicrophone();
  const browser = await call.browser('browser');
  for (const [who, other] of [[node, 'go'], [browser, 'go'], [browser, 'node'], [go, 'node']]) {
    await wantVideo(who, other);
    await wantAudio(who, other);
  }
});

// rtc-node gathers what it has to offer for 150 ms, unless the server tells it to
// offer at once; what it publishes while it makes that offer, it would forget. The
// server takes one track after the other in.
stage.inBothModes('rtc-node publishes two tracks at any distance in time', async (call) => {
  for (const distance of [140, 145, 148, 150, 152, 155, 158, 162, 166, 170]) {
    const node = await call.node(`node-${distance}`);
    await node.publishCamera();
    await pause(distance);
    await node.publishMicrophone();
    await waitFor(`both tracks of ${node.identity}`, async () =>
      (await call.api.getParticipant(call.room, node.identity)).tracks.length === 2);
    await node.leave();
  }
});

stage.inBothModes('data packets travel between all SDKs, reliable and lossy', async (call) => {
  const all = await everyKind(call);
  // A lossy packet may be lost while its channel is still opening, so each
  // sender's channels are first known to be open both ways.
  for (const [from, to] of pairs(all)) {
    await from.sendData(`open ${from.identity} ${to.identity}`, { reliable: true, to: [to.identity] });
    await to.events.want('data', { from: from.identity, text: `open ${from.identity} ${to.identity}` });
  }
  for (const [from, to] of pairs(all)) {
    const text = `reliable ${from.identity} ${to.identity}`;
    await from.sendData(text, { reliable: true, topic: 'letters', to: [to.identity] });
    await to.events.want('data', { from: from.identity, text, topic: 'letters' });
    await untilSeen(to, { from: from.identity, text: `lossy ${from.identity} ${to.identity}`, topic: 'postcards' }, () =>
      from.sendData(`lossy ${from.identity} ${to.identity}`, { reliable: false, topic: 'postcards', to: [to.identity] }));
  }
  for (const who of all) {
    for (const { from, text } of who.events.all('data')) {
      assert.ok(text.endsWith(` ${from} ${who.identity}`), `${who.identity} got ${JSON.stringify(text)} from ${from}`);
    }
    const reliable = who.events.all('data').filter(({ text }) => text.startsWith('reliable'));
    assert.equal(reliable.length, 2, `${who.identity} got each reliable packet once`);
  }
});

// Sends until it arrives: what lossy promises is that a packet arrives whole or not at all.
async function untilSeen(who, packet, send) {
  const end = Date.now() + soon;
  for (;;) {
    await send();
    try {
      return await who.events.want('data', packet, { deadline: 1000 });
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

stage.test('metadata, name and attributes reach all SDKs', async (call) => {
  const all = await everyKind(call);
  for (const from of all) {
    const { identity } = from;
    await from.setMetadata(`metadata of ${identity}`);
    await from.setName(`name of ${identity}`);
    await from.setAttributes({ colour: `of ${identity}` });
    for (const to of all) {
      await to.events.want('metadata', { identity, metadata: `metadata of ${identity}` });
      await to.events.want('attributes', { identity, changed: { colour: `of ${identity}` } });
      // The Go SDK has no event for a changed name.
      if (to.identity !== 'go') await to.events.want('name', { identity, name: `name of ${identity}` });
    }
    const info = await call.api.getParticipant(call.room, identity);
    assert.equal(info.metadata, `metadata of ${identity}`);
    assert.equal(info.name, `name of ${identity}`);
    assert.deepEqual(info.attributes, { colour: `of ${identity}` });
  }
});

stage.test('mute and unpublish by the Go SDK reach the others', async (call) => {
  const [browser, node, go] = await everyKind(call);
  const camera = await go.publishCamera();
  const microphone = await go.publishMicrophone();
  for (const who of [browser, node]) await who.events.want('trackSubscribed', { sid: camera.sid });

  await go.mute(microphone.sid, true);
  for (const who of [browser, node]) await who.events.want('trackMuted', { identity: 'go', source: 'microphone' });
  await go.mute(microphone.sid, false);
  for (const who of [browser, node]) await who.events.want('trackUnmuted', { identity: 'go', source: 'microphone' });

  await go.unpublish(camera.sid);
  for (const who of [browser, node]) await who.events.want('trackUnpublished', { identity: 'go', sid: camera.sid });

  await go.leave();
  for (const who of [browser, node]) await who.events.want('participantDisconnected', { identity: 'go' });
});

stage.test('rtc-node unpublishes and leaves before the eyes of the others', async (call) => {
  const [browser, node, go] = await everyKind(call);
  const camera = await node.publishCamera();
  for (const who of [browser, go]) await who.events.want('trackSubscribed', { sid: camera.sid });
  await node.unpublish(camera.sid);
  for (const who of [browser, go]) await who.events.want('trackUnpublished', { identity: 'node', sid: camera.sid });
  await node.leave();
  for (const who of [browser, go]) await who.events.want('participantDisconnected', { identity: 'node' });
});
