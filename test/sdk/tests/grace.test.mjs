// Who comes back within the grace period finds the room session as it was left,
// whatever became of the server meanwhile.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene({ config: { room: { departure_timeout: 120 } } });

// The SDKs pause longer with each try to reconnect.
const patience = 60_000;

for (const [how, signal] of [['stopped', 'SIGTERM'], ['killed', 'SIGKILL']]) {
  stage.test(`a room session outlives a server that was ${how}, with its people's permissions`, async (call) => {
    await call.api.createRoom({ name: call.room, metadata: 'of the room', maxParticipants: 7 });
    const all = [await call.browser('browser'), await call.node('node'), await call.go('go')];
    for (const { identity } of all) {
      await call.api.updateParticipant(call.room, identity, {
        name: `The ${identity}`, metadata: `of ${identity}`, attributes: { seat: identity },
        permission: { canSubscribe: true, canPublish: true, canPublishData: false, canPublishSources: [2] },
      });
    }
    await call.api.updateRoomMetadata(call.room, 'changed');
    const look = async () => {
      const [room] = await call.api.listRooms([call.room]);
      const people = await Promise.all(all.map(({ identity }) => call.api.getParticipant(call.room, identity)));
      return {
        room: [room.sid, room.metadata, room.maxParticipants, room.departureTimeout],
        people: people.map((p) => [p.identity, p.name, p.metadata, p.attributes, p.permission.canPublish,
          p.permission.canPublishData, p.permission.canSubscribe, p.permission.canPublishSources]),
      };
    };
    const before = await look();
    assert.deepEqual(before.people[0].slice(-4), [true, false, true, [2]]);

    await call.server.end(signal);
    await call.server.run();
    for (const who of all) await who.events.want('reconnected', {}, { deadline: patience });
    await waitFor('everybody to be listed', async () =>
      (await call.api.listParticipants(call.room)).length === all.length, patience);
    assert.deepEqual(await look(), before);

    for (const who of all) await who.leave();
    await call.api.deleteRoom(call.room);
    const story = await call.sink.story(call.room, undefined, patience);
    assert.deepEqual(new Set(story.map((e) => e.room.sid)), new Set([before.room[0]]), 'one session');
    assert.equal(story.filter((e) => e.event === 'room_started').length, 1);
    const ends = call.sink.accepted(call.room).filter((a) => a.event.event === 'participant_left');
    assert.equal(ends.length, 2 * all.length, 'each session of a participant ends once');
    const concluded = ends.filter((a) => a.headers['rollcall-synthesized'] === 'true');
    assert.equal(concluded.length, how === 'killed' ? all.length : 0, 'what was concluded is marked');
    for (const { headers } of concluded) assert.deepEqual([headers['rollcall-actor'], headers['rollcall-reason']], ['crash', 'server_crash']);
  });
}
