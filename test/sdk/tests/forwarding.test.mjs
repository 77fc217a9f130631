// ForwardParticipant by the server SDK, as clients see it: somebody is in two rooms at
// once, with media, data, and whatever codecs it has.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { wantAudio, wantVideo, without } from '../harness/media.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();

stage.inBothModes('a forwarded participant is in both rooms', async (call) => {
  const other = `${call.room}-other`;
  const alice = await call.browser('alice', { name: 'Alice' });
  const bob = await call.browser('bob');
  const carol = await call.guest(other, 'carol');
  await alice.publishCamera();
  await alice.publishMicrophone();
  await call.api.forwardParticipant(call.room, 'alice', other);
  await carol.events.want('participantConnected', { identity: 'alice' });
  for (const viewer of [bob, carol]) {
    await wantVideo(viewer, 'alice');
    await wantAudio(viewer, 'alice');
    await viewer.events.want('activeSpeakers', { identities: (who) => who.includes('alice') });
  }
  const double = await call.api.getParticipant(other, 'alice');
  assert.deepEqual([double.name, double.kindDetails], ['Alice', [1]], 'FORWARDED');

  await alice.setMuted('camera', true);
  for (const viewer of [bob, carol]) await viewer.events.want('trackMuted', { identity: 'alice', source: 'camera' });
  await alice.setMetadata('news');
  await carol.events.want('metadata', { identity: 'alice', metadata: 'news' });
  await assert.rejects(
    call.api.mutePublishedTrack(other, 'alice', double.tracks[0].sid, true),
    { status: 412, code: 'failed_precondition' },
  );

  // It ends where it leads to, or with its origin.
  await call.api.removeParticipant(other, 'alice');
  await carol.events.want('participantDisconnected', { identity: 'alice' });
  assert.deepEqual(bob.events.all('participantDisconnected'), []);
  await call.api.forwardParticipant(call.room, 'alice', other);
  await waitFor('alice to be back', () => carol.events.all('participantConnected', { identity: 'alice' }).length === 2);
  await wantAudio(carol, 'alice');
  await alice.leave();
  await waitFor('alice to be gone', () => carol.events.all('participantDisconnected', { identity: 'alice' }).length === 2);
  const there = await call.sink.story(other, (events) => events.filter((e) => e.event === 'participant_left').length === 2);
  assert.deepEqual(there.filter((e) => e.participant?.identity === 'alice').map((e) => e.event), [
    'participant_joined', 'track_published', 'track_published', 'track_unpublished', 'track_unpublished', 'participant_left',
    'participant_joined', 'track_published', 'track_published', 'track_unpublished', 'track_unpublished', 'participant_left',
  ]);
});

stage.inBothModes('what a forwarded participant says by data is said in both rooms', async (call) => {
  const other = `${call.room}-other`;
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  const carol = await call.guest(other, 'carol');
  const dave = await call.nodeGuest(other, 'dave');
  await call.api.forwardParticipant(call.room, 'alice', other);
  for (const who of [carol, dave]) {
    await who.events.want('participantConnected', { identity: 'alice' });
    await who.listen('letters');
  }
  await alice.sendData('hello', { topic: 'news' });
  await alice.sendData('psst', { topic: 'news', to: ['carol', 'bob'] });
  await alice.sendText('abc'.repeat(20_000), 'letters');
  await alice.sendBytes(100_000, 'letters');
  for (const who of [bob, carol, dave]) {
    await who.events.want('data', { from: 'alice', text: 'hello', topic: 'news', reliable: true });
  }
  for (const who of [bob, carol]) await who.events.want('data', { from: 'alice', text: 'psst' });
  for (const who of [carol, dave]) {
    await who.events.want('text', { from: 'alice', text: 'abc'.repeat(20_000) });
    await who.events.want('bytes', { from: 'alice', size: 100_000 });
  }
  assert.deepEqual(dave.events.all('data', { text: 'psst' }), [], 'it was not for dave');
  // Lossy data, and frames of data tracks, are said until they came.
  await alice.publishDataTrack('pose');
  await carol.takeDataTrack('alice', 'pose');
  await waitFor('the other room to get what may be lost', async () => {
    await alice.sendData('fast', { reliable: false, topic: 'news' });
    await alice.pushFrame('pose', 'x'.repeat(5_000));
    return [carol, dave].every((who) => who.events.all('data', { from: 'alice', text: 'fast', topic: 'news', reliable: false }).length > 0)
      && carol.events.all('frame', { from: 'alice', name: 'pose', text: 'x'.repeat(5_000) }).length > 0;
  });
  // Its client is not in that room: nothing comes back.
  await carol.sendData('back', { to: ['alice'] });
  await carol.sendData('back to all');
  await dave.events.want('data', { from: 'carol', text: 'back to all' });
  assert.deepEqual(alice.events.all('data'), []);
  await alice.unpublishDataTrack('pose');
  await carol.events.want('framesEnded', { from: 'alice', name: 'pose' });
});

// By policy: 0 has everybody change to the second codec, 1 has both sent.
for (const [policy, daveGets] of [[0, 'video/VP8'], [1, 'video/VP9']]) {
  stage.test(`who does not decode what is forwarded gets the backup, by policy ${policy}`, async (call) => {
    const other = `${call.room}-other`;
    const alice = await call.browser('alice');
    const dave = await call.guest(other, 'dave');
    const carol = await call.stranger('carol');
    await carol.page.evaluate(without('vp9'));
    await carol.enter(call.server, other);
    await alice.publishCamera({ width: 640, height: 360, codec: 'vp9', backupCodec: { codec: 'vp8' }, backupCodecPolicy: policy });
    await call.api.forwardParticipant(call.room, 'alice', other);
    const patience = 40_000; // each codec is encoded and decoded by one busy machine
    await waitFor('carol to see VP8', async () => (await carol.video('alice')).mime === 'video/VP8', patience);
    await wantVideo(carol, 'alice', 5, patience);
    await waitFor('dave to see his', async () => (await dave.video('alice')).mime === daveGets, patience);
    await wantVideo(dave, 'alice', 5, patience);
    assert.deepEqual(dave.events.all('trackUnpublished'), [], 'it is one track');
    assert.equal((await call.api.getParticipant(other, 'alice')).tracks.length, 1);
  });
}
