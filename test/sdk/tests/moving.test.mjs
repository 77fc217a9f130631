// MoveParticipant by the server SDK, as clients see it: one changes its room on the
// connections that it has.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { wantAudio, wantVideo } from '../harness/media.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();

async function refused(promise, status, code) {
  await assert.rejects(promise, (error) => {
    assert.deepEqual({ status: error.status, code: error.code }, { status, code }, error.message);
    return true;
  });
}

stage.inBothModes('a moved participant keeps its connection', async (call) => {
  const other = `${call.room}-other`;
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  const carol = await call.guest(other, 'carol');
  const camera = await alice.publishCamera();
  await bob.publishMicrophone();
  await carol.publishCamera();
  await carol.publishMicrophone();
  await wantVideo(bob, 'alice');
  await alice.events.want('trackSubscribed', { identity: 'bob' });
  const before = (await alice.view()).local;

  await call.api.moveParticipant(call.room, 'alice', other);
  await alice.events.want('moved', { room: other });
  await alice.events.want('participantDisconnected', { identity: 'bob' });
  await alice.events.want('participantConnected', { identity: 'carol' });
  await bob.events.want('participantDisconnected', { identity: 'alice' });
  await carol.events.want('participantConnected', { identity: 'alice' });
  await wantVideo(carol, 'alice');
  await wantVideo(alice, 'carol');
  await wantAudio(alice, 'carol');
  const view = await alice.view();
  assert.equal(view.room, other);
  assert.deepEqual(view.remotes.map((p) => p.identity), ['carol']);
  assert.notEqual(view.local.sid, before.sid, 'a session of its own in each room');
  assert.deepEqual(view.local.tracks.map((t) => t.sid), [camera.sid], 'the tracks are the same');
  for (const event of ['reconnecting', 'signalReconnecting', 'disconnected', 'localTrackUnpublished', 'pageerror']) {
    assert.deepEqual(alice.events.all(event), [], 'the connection is the same');
  }

  // What it does now it does there.
  await alice.setMuted('camera', true);
  await carol.events.want('trackMuted', { identity: 'alice' });
  await alice.sendData('hello there');
  await carol.events.want('data', { from: 'alice', text: 'hello there' });
  await alice.publishMicrophone();
  await wantAudio(carol, 'alice');
  assert.deepEqual((await call.api.listParticipants(call.room)).map((p) => p.identity), ['bob']);

  // And when its signal connection breaks it comes back there.
  await alice.simulate('signal-reconnect');
  await alice.events.want('reconnected');
  assert.deepEqual((await alice.view()).remotes.map((p) => p.identity), ['carol']);

  const moved = await call.api.getParticipant(other, 'alice');
  await alice.leave();
  await carol.events.want('participantDisconnected', { identity: 'alice' });
  const here = await call.sink.story(call.room, (events) => events.some((e) => e.event === 'participant_left' && e.participant.identity === 'alice'));
  const left = here.findLast((e) => e.event === 'participant_left');
  assert.deepEqual([left.participant.sid, left.participant.disconnectReason], [before.sid, 8], 'MIGRATION');
  assert.ok(here.some((e) => e.event === 'track_unpublished' && e.track.sid === camera.sid));
  const there = await call.sink.story(other, (events) => events.some((e) => e.event === 'participant_left' && e.participant.identity === 'alice'));
  assert.deepEqual(there.filter((e) => e.participant?.identity === 'alice').map((e) => e.event), [
    'participant_joined', 'track_published', 'track_published',
    'track_unpublished', 'track_unpublished', 'participant_left',
  ]);
  assert.equal(there.find((e) => e.event === 'participant_joined' && e.participant.identity === 'alice').participant.sid, moved.sid);
  call.sink.assertAllVerified();
});

stage.test('rtc-node is moved too', async (call) => {
  const other = `${call.room}-other`;
  const alice = await call.node('alice');
  const bob = await call.browser('bob');
  const carol = await call.guest(other, 'carol');
  await alice.publishCamera();
  await wantVideo(bob, 'alice');
  await call.api.moveParticipant(call.room, 'alice', other);
  await alice.events.want('moved');
  await bob.events.want('participantDisconnected', { identity: 'alice' });
  await carol.events.want('participantConnected', { identity: 'alice' });
  await wantVideo(carol, 'alice');
  await carol.publishCamera();
  await wantVideo(alice, 'carol');
});

stage.test('who cannot be moved is told why', async (call) => {
  await call.browser('alice');
  const waiting = await call.signal('waiting');
  await waiting.joined();
  await refused(call.api.moveParticipant(call.room, 'nobody', 'elsewhere'), 404, 'not_found');
  await refused(call.api.moveParticipant('no such room', 'alice', 'elsewhere'), 404, 'not_found');
  await refused(call.api.moveParticipant(call.room, 'alice', call.room), 400, 'invalid_argument');
  await refused(call.api.moveParticipant(call.room, 'waiting', 'elsewhere'), 412, 'failed_precondition');
  await call.api.createRoom({ name: `${call.room}-full`, maxParticipants: 1 });
  await call.guest(`${call.room}-full`, 'carol');
  await refused(call.api.moveParticipant(call.room, 'alice', `${call.room}-full`), 429, 'resource_exhausted');
  assert.equal((await call.api.getParticipant(call.room, 'alice')).identity, 'alice');
});
