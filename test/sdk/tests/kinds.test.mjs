// Participants that are not like the others: hidden, recording, agents; and who may
// have whose tracks.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { wantVideo } from '../harness/media.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();

stage.inBothModes('a hidden participant sees and is not seen', async (call) => {
  const alice = await call.browser('alice');
  await alice.publishCamera();
  const ghost = await call.browser('ghost', { grant: { hidden: true } });
  await wantVideo(ghost, 'alice');
  await ghost.sendData('who is it?');
  await alice.events.want('data', { from: '', text: 'who is it?' });
  assert.deepEqual(alice.events.all('participantConnected'), []);

  // And one that is hidden later goes out of sight, with its tracks.
  const bob = await call.browser('bob');
  await bob.publishCamera();
  await wantVideo(alice, 'bob');
  const everything = { canPublish: true, canSubscribe: true, canPublishData: true };
  await call.api.updateParticipant(call.room, 'bob', { permission: { ...everything, hidden: true } });
  await alice.events.want('trackUnsubscribed', { identity: 'bob' });
  await alice.events.want('participantDisconnected', { identity: 'bob' });
  await call.api.updateParticipant(call.room, 'bob', { permission: everything });
  await waitFor('bob to be there again', () => alice.events.all('participantConnected', { identity: 'bob' }).length === 2);
  await wantVideo(alice, 'bob');
});

stage.test('a recorder makes the room a recorded one, and an agent is no participant that counts', async (call) => {
  await call.api.createRoom({ name: call.room, maxParticipants: 1 });
  const alice = await call.browser('alice');
  assert.equal((await alice.view()).recording, false);
  const recorder = await call.browser('recorder', { grant: { hidden: true, recorder: true } });
  await alice.events.want('recording', { recording: true });
  await call.browser('agent', { grant: { agent: true } });
  await alice.events.want('participantConnected', { identity: 'agent' });
  const [room] = await call.api.listRooms([call.room]);
  assert.deepEqual([room.numParticipants, room.activeRecording], [1, true]);
  await recorder.leave();
  await alice.events.want('recording', { recording: false });
});

stage.inBothModes('a publisher says who may have which of its tracks', async (call) => {
  const alice = await call.browser('alice');
  const camera = await alice.publishCamera();
  await alice.publishMicrophone();
  const [bob, carol] = [await call.browser('bob'), await call.browser('carol')];
  for (const source of ['camera', 'microphone']) {
    for (const who of [bob, carol]) await who.events.want('trackSubscribed', { identity: 'alice', source });
  }
  await alice.allowSubscribers(false, [
    { participantIdentity: 'bob', allowAll: true },
    { participantIdentity: 'carol', allowedTrackSids: [camera.sid] },
  ]);
  await carol.events.want('subscriptionPermission', { source: 'microphone', status: 'not_allowed' });
  await carol.events.want('trackUnsubscribed', { source: 'microphone' });
  await wantVideo(carol, 'alice');
  assert.deepEqual([...bob.events.all('trackUnsubscribed'), ...carol.events.all('trackUnsubscribed', { source: 'camera' })], []);
  await alice.allowSubscribers(true);
  await waitFor('carol to have it again', () => carol.events.all('trackSubscribed', { source: 'microphone' }).length === 2);
});

stage.test('what is not granted is answered at once, with the reason', async (call) => {
  const alice = await call.browser('alice', { grant: { canUpdateOwnMetadata: false } });
  await assert.rejects(alice.setMetadata('m'), /does not allow updating/);
  const bob = await call.browser('bob');
  await assert.rejects(bob.setMetadata('m'.repeat(600 << 10)), /the limit is 524288/);
  await bob.setMetadata('m');
});
