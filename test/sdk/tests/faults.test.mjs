// A receiver that is down or misbehaves: nothing is lost, the order is kept,
// and the next room does not suffer.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene({ browser: false });

// How long a sender may take to come back to a receiver that has recovered.
const recovery = 60_000;

/** A room with four events in it: started, two clients without media, finished. */
async function shortLife(call, room) {
  await call.api.createRoom({ name: room });
  for (const identity of ['one', 'two']) {
    const ghost = await call.signalIn(room, identity);
    await ghost.joined();
    await ghost.leave();
    await waitFor(`${identity} to be gone`, async () => (await call.api.listParticipants(room)).length === 0);
  }
  await call.api.deleteRoom(room);
}

const wholeLife = ['room_started', 'participant_connection_aborted', 'participant_connection_aborted', 'room_finished'];

function names(events) { return events.map((e) => e.event); }

/** The room's attempts, each event's repeated tries folded into one. */
function tried(sink, room) {
  const ids = sink.attempts.filter((a) => a.event?.room?.name === room).map((a) => a.event.id);
  return ids.filter((id, i) => id !== ids[i - 1]);
}

stage.test('a receiver that is down gets everything once it is up', async (call) => {
  await call.sink.down();
  await shortLife(call, call.room);
  await call.sink.up();
  const story = await call.sink.story(call.room, undefined, recovery);
  assert.deepEqual(names(story), wholeLife, 'each event once, in order');
  call.sink.assertAllVerified();
});

const faults = {
  'answers 500': { status: 500 },
  'answers 404': { status: 404 },
  'redirects': { status: 302, headers: { location: '/elsewhere' } },
};

for (const [what, answer] of Object.entries(faults)) {
  stage.test(`a receiver that ${what} gets each event again, and the next room is not held up`, async (call) => {
    let broken = true;
    call.sink.answer = ({ event }) => (broken && event?.room?.name === call.room ? answer : { status: 200 });
    const other = `${call.room}-next`;

    await shortLife(call, call.room);
    await waitFor('a second try', () => call.sink.attempts.filter((a) => a.event?.room?.name === call.room).length >= 2);
    await shortLife(call, other);
    assert.deepEqual(names(await call.sink.story(other)), wholeLife, 'the next room is unharmed');
    assert.equal(call.sink.accepted(call.room).length, 0);

    broken = false;
    const story = await call.sink.story(call.room, undefined, recovery);
    assert.deepEqual(names(story), wholeLife, 'each event once, in order');
    assert.deepEqual(tried(call.sink, call.room), story.map((e) => e.id), 'one event at a time, always the first');
    assert.equal(call.sink.attempts.filter((a) => a.path === '/elsewhere').length, 0, 'a redirect is not followed');
    for (const a of call.sink.attempts) assert.equal(a.method, 'POST');
    call.sink.assertAllVerified();
  });
}

stage.test('a receiver that fails now and then loses nothing', async (call) => {
  let n = 0;
  call.sink.answer = () => ({ status: n++ % 2 === 0 ? 503 : 204 });
  await shortLife(call, call.room);
  const story = await call.sink.story(call.room, undefined, recovery);
  assert.deepEqual(names(story), wholeLife);
  call.sink.answer = () => ({ status: 200 });
});

stage.test('a receiver that hangs is given up and tried again, and the next room is not held up', async (call) => {
  let hanging = true;
  call.sink.answer = ({ event }) => (hanging && event?.room?.name === call.room ? 'hang' : { status: 200 });
  const other = `${call.room}-next`;

  await shortLife(call, call.room);
  await waitFor('the first try', () => tried(call.sink, call.room).length === 1);
  await shortLife(call, other);
  assert.deepEqual(names(await call.sink.story(other)), wholeLife, 'the next room is unharmed');

  await waitFor('a second try, without any answer to the first', () =>
    call.sink.attempts.filter((a) => a.event?.room?.name === call.room).length >= 2, recovery);
  hanging = false;
  call.sink.release();
  const story = await call.sink.story(call.room, undefined, recovery);
  assert.deepEqual(names(story), wholeLife, 'each event once, in order');
});

stage.test('what a receiver has not taken survives the death of the server', async (call) => {
  await call.sink.down();
  await shortLife(call, call.room);
  const open = `${call.room}-open`;
  // In seconds after the restart: nobody comes.
  const { sid } = await call.api.createRoom({ name: open, emptyTimeout: 2 });
  await call.server.end('SIGKILL');
  await call.sink.up();
  await call.server.run();
  assert.deepEqual(names(await call.sink.story(call.room, undefined, recovery)), wholeLife);
  const story = await call.sink.story(open, undefined, recovery);
  assert.deepEqual(story.map((e) => [e.event, e.room.sid]), [['room_started', sid], ['room_finished', sid]],
    'a room that the log left open is closed');
});
