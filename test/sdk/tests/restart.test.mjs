// A server that stops, or dies, and comes back on the same port and data.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { wantVideo } from '../harness/media.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();

// The SDKs pause longer with each try to reconnect.
const patience = { deadline: 60_000 };

/** Everybody is in again and sees the others' cameras; returns the sid of the room's session. */
async function wantEverybodyBack(call, all) {
  for (const who of all) await who.events.want('reconnected', {}, patience);
  await waitFor('everybody to be listed', async () =>
    (await call.api.listParticipants(call.room)).length === all.length, patience.deadline);
  const [{ sid }] = await call.api.listRooms([call.room]);
  await wantEverybodySeen(all);
  return sid;
}

async function wantEverybodySeen(all) {
  for (const who of all) {
    for (const other of all.filter((o) => o !== who)) await wantVideo(who, other.identity, 3, patience.deadline);
  }
}

/** Of the accepted events: each opened once, closed once, and nothing of a session after its end. */
function assertWholeSession(events, roomSid) {
  const own = events.filter((e) => e.room.sid === roomSid);
  assert.equal(own[0].event, 'room_started');
  assert.equal(own.at(-1).event, 'room_finished');
  const times = (name, key) => own.filter((e) => e.event === name).map(key).toSorted();
  const participant = (e) => e.participant.sid;
  const track = (e) => e.track.sid;
  assert.deepEqual(times('participant_left', participant), times('participant_joined', participant));
  assert.deepEqual(times('track_unpublished', track), times('track_published', track));
  assert.equal(new Set(own.map((e) => e.id)).size, own.length, 'each event once');
}

for (const [how, signal] of [['stopped', 'SIGTERM'], ['killed', 'SIGKILL']]) {
  stage.inBothModes(`clients come back to a server that was ${how}`, async (call) => {
    const all = [await call.browser('browser'), await call.node('node'), await call.go('go')];
    for (const who of all) await who.publishCamera();
    await wantEverybodySeen(all);
    const [{ sid: before }] = await call.api.listRooms([call.room]);

    const end = await call.server.end(signal);
    if (signal === 'SIGTERM') assert.deepEqual(end, { code: 0, signal: null }, call.server.log().slice(-2000));
    await call.server.run();
    const after = await wantEverybodyBack(call, all);
    for (const who of all) assert.equal(who.events.all('disconnected').length, 0, `${who.identity} was told to come back, not to go`);

    for (const who of all) await who.leave();
    const story = await call.sink.story(call.room, (events) =>
      events.at(-1)?.event === 'room_finished' && events.at(-1).room.sid === after, 30_000);
    assertWholeSession(story, before);
    assertWholeSession(story, after);
    // The room's session is the same or another one; those of the people are new.
    const next = story.slice(story.findIndex((e) => e.room.sid === after));
    assert.ok(next.every((e) => e.room.sid === after), 'an old session is over before the next one starts');
    const sessions = story.filter((e) => e.event === 'participant_joined').map((e) => e.participant.sid);
    assert.equal(new Set(sessions).size, 2 * all.length);
    call.sink.assertAllVerified();
  });
}
