// Two Chromium tabs with the unmodified browser SDK in one room.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { wantAudio, wantVideo } from '../harness/media.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();

stage.inBothModes('two browsers see and hear each other', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  await alice.events.want('participantConnected', { identity: 'bob' });

  for (const who of [alice, bob]) {
    await who.publishCamera();
    await who.publishMicrophone();
  }
  for (const [who, other] of [[alice, 'bob'], [bob, 'alice']]) {
    await who.events.want('trackSubscribed', { identity: other, source: 'camera' });
    await who.events.want('trackSubscribed', { identity: other, source: 'microphone' });
    await wantVideo(who, other);
    await wantAudio(who, other);
    const video = await who.video(other);
    assert.ok(video.decoded > 0, 'the decoder counts frames');
    assert.deepEqual([video.width, video.height], [320, 180]);
  }
});

stage.test('the browser SDK makes one connection by itself, and two when told to', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob', { connections: 2 });
  assert.equal(await alice.peerConnections(), 1);
  assert.equal(await bob.peerConnections(), 2);
  await alice.publishCamera();
  await bob.publishCamera();
  await wantVideo(bob, 'alice');
  await wantVideo(alice, 'bob');
});

stage.inBothModes('mute and unmute reach the other side', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  await alice.publishCamera();
  await alice.publishMicrophone();
  await wantVideo(bob, 'alice');
  await wantAudio(bob, 'alice');

  for (const source of ['camera', 'microphone']) {
    const from = bob.events.list.length;
    await alice.setMuted(source, true);
    await bob.events.want('trackMuted', { identity: 'alice', source }, { from });
    await alice.setMuted(source, false);
    await bob.events.want('trackUnmuted', { identity: 'alice', source }, { from });
  }
  await wantVideo(bob, 'alice');
  await wantAudio(bob, 'alice');
  assert.equal(bob.events.all('trackUnsubscribed').length, 0, 'muting does not unsubscribe');
});

stage.inBothModes('who joins late sees what is already published', async (call) => {
  const alice = await call.browser('alice');
  await alice.publishCamera();
  await alice.publishMicrophone();
  const bob = await call.browser('bob');
  await wantVideo(bob, 'alice');
  await wantAudio(bob, 'alice');
});

stage.inBothModes('unpublish and leave reach the other side', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  await alice.publishCamera();
  await alice.publishMicrophone();
  await bob.events.want('trackSubscribed', { source: 'camera' });
  await bob.events.want('trackSubscribed', { source: 'microphone' });

  await alice.unpublish('camera');
  await bob.events.want('trackUnpublished', { identity: 'alice', source: 'camera' });
  assert.equal(bob.events.all('trackUnpublished', { source: 'microphone' }).length, 0);

  // A second publication on the recycled media line.
  await alice.publishCamera();
  await wantVideo(bob, 'alice');

  await alice.leave();
  await bob.events.want('participantDisconnected', { identity: 'alice' });
  assert.deepEqual((await bob.view()).remotes, []);
});

stage.inBothModes('unsubscribing stops a track and subscribing brings it back', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  await alice.publishCamera();
  await wantVideo(bob, 'alice');

  await bob.setSubscribed('alice', 'camera', false);
  await bob.events.want('trackUnsubscribed', { identity: 'alice', source: 'camera' });
  const from = bob.events.list.length;
  await bob.setSubscribed('alice', 'camera', true);
  await bob.events.want('trackSubscribed', { identity: 'alice', source: 'camera' }, { from });
  await wantVideo(bob, 'alice');
});

stage.inBothModes('the highest simulcast layer arrives', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  await alice.publishCamera({ width: 960, height: 540, simulcast: true });
  await waitFor('the camera to be sent in layers', async () => (await alice.sentLayers()).length >= 2, 30_000);
  await waitFor('bob to see the highest layer', async () => {
    const { width, height } = await bob.video('alice');
    assert.deepEqual([width, height], [960, 540]);
    return true;
  }, 30_000);
  await wantVideo(bob, 'alice');
});

for (const codec of ['vp8', 'h264', 'vp9', 'av1']) {
  stage.inBothModes(`video in ${codec} arrives`, async (call) => {
    const alice = await call.browser('alice');
    const bob = await call.browser('bob');
    await alice.publishCamera({ codec });
    await wantVideo(bob, 'alice');
    assert.equal((await bob.video('alice')).mime, `video/${codec.toUpperCase()}`);
  });
}

stage.inBothModes('data reaches the addressed, reliable and lossy, and never the sender', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  const carol = await call.browser('carol');
  // Lossy packets to a channel that is not open yet are lost, as they may be; and
  // each of the two channels opens by itself.
  await alice.sendData('open', { reliable: true });
  for (const who of [bob, carol]) await who.events.want('data', { from: 'alice', text: 'open' });
  await waitFor('lossy packets to reach both', async () => {
    await alice.sendData('open', { reliable: false });
    return [bob, carol].every((who) => who.events.all('data', { text: 'open', reliable: false }).length > 0);
  });

  await alice.sendData('to all', { reliable: false, topic: 'chat' });
  for (const who of [bob, carol]) {
    await who.events.want('data', { from: 'alice', text: 'to all', topic: 'chat', reliable: false });
  }
  await alice.sendData('to bob', { reliable: true, to: ['bob'] });
  await alice.sendData('end', { reliable: true });
  await bob.events.want('data', { from: 'alice', text: 'to bob' });
  await carol.events.want('data', { from: 'alice', text: 'end' });
  assert.equal(carol.events.all('data', { text: 'to bob' }).length, 0);
  assert.equal(alice.events.all('data').length, 0);
});

stage.test('a speaker is announced and then quiet', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  await alice.publishMicrophone();
  await bob.events.want('activeSpeakers', { identities: ['alice'] });
  await alice.setMuted('microphone', true);
  const from = bob.events.list.length;
  await bob.events.want('activeSpeakers', { identities: [] }, { from });
});
