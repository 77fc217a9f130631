// Connections that break and come back.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { wantAudio, wantVideo } from '../harness/media.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();

// A full reconnect may go through the SDK's own pauses.
const patience = { deadline: 30_000 };

stage.inBothModes('a browser that loses its signal connection resumes, unseen by the others', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  for (const who of [alice, bob]) await who.publishCamera();
  await wantVideo(alice, 'bob');
  await wantVideo(bob, 'alice');
  const told = call.sink.accepted(call.room).length;
  const from = bob.events.list.length;

  await alice.simulate('signal-reconnect');
  await alice.events.want('signalReconnecting', {}, patience);
  await alice.events.want('reconnected', {}, patience);
  assert.equal((await alice.view()).local.sid, alice.sid, 'the same session');
  await wantVideo(alice, 'bob');
  await wantVideo(bob, 'alice');
  await alice.sendData('after', { reliable: true });
  await bob.events.want('data', { from: 'alice', text: 'after' });
  await bob.sendData('back', { reliable: true });
  await alice.events.want('data', { from: 'bob', text: 'back' });

  const seen = bob.events.list.slice(from).filter((e) => /^(participant[A-Z]|track)/.test(e.event));
  assert.deepEqual(seen, []);
  assert.equal(alice.events.all('disconnected').length, 0);
  // A publication after the resume is a sign that signalling works again, and
  // the next thing that the backend hears.
  await alice.publishMicrophone();
  await wantAudio(bob, 'alice');
  await waitFor('the microphone to be told', () => call.sink.accepted(call.room).length > told);
  assert.deepEqual(call.sink.accepted(call.room).slice(told).map((a) => a.event.event), ['track_published']);
});

stage.inBothModes('a browser that reconnects in full is a new session with the same tracks', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  for (const who of [alice, bob]) await who.publishCamera();
  await wantVideo(alice, 'bob');
  await wantVideo(bob, 'alice');
  const told = call.sink.accepted(call.room).length;

  await alice.simulate('full-reconnect');
  await alice.events.want('reconnecting', {}, patience);
  await alice.events.want('reconnected', {}, patience);
  await waitFor('alice to see bob again', async () => (await alice.view()).remotes.some((p) => p.identity === 'bob'));
  await wantVideo(alice, 'bob');
  await wantVideo(bob, 'alice', 5, 30_000);
  const now = (await alice.view()).local.sid;
  assert.notEqual(now, alice.sid);

  const rest = () => call.sink.accepted(call.room).slice(told).map((a) => a.event);
  await waitFor('the new track to be told', () => rest().some((e) => e.event === 'track_published'));
  assert.deepEqual(rest().map((e) => [e.event, e.participant.sid]), [
    ['track_unpublished', alice.sid],
    ['participant_left', alice.sid],
    ['participant_joined', now],
    ['track_published', now],
  ]);
});

stage.inBothModes('rtc-node resumes and reconnects in full', async (call) => {
  const node = await call.node('node');
  const bob = await call.browser('bob');
  await node.publishCamera();
  await wantVideo(bob, 'node');

  for (const scenario of ['signal-reconnect', 'full-reconnect']) {
    const from = node.events.list.length;
    await node.simulate(scenario);
    await node.events.want('reconnected', {}, { from, ...patience });
    await wantVideo(bob, 'node', 5, 30_000);
    await bob.sendData(`after ${scenario}`, { reliable: true });
    await node.events.want('data', { from: 'bob', text: `after ${scenario}` });
  }
});

stage.test('a client whose signal connection is down while its room is deleted learns of it and stays away', async (call) => {
  const alice = await call.stranger('alice');
  const wire = await alice.cuttableSignal(call.server);
  await alice.enter(call.server, call.room);
  const [{ sid }] = await call.api.listRooms([call.room]);

  await wire.cut();
  await call.api.deleteRoom(call.room);
  wire.mend();
  await alice.events.want('disconnected', {}, patience);
  assert.deepEqual(await call.api.listRooms([call.room]), []);
  const story = await call.sink.story(call.room);
  assert.deepEqual(story.map((e) => [e.event, e.room.sid]),
    ['room_started', 'participant_joined', 'participant_left', 'room_finished'].map((name) => [name, sid]));
});
