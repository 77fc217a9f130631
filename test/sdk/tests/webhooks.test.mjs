// The story that a backend hears of a call: whole, in order, once.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { scene } from '../harness/scene.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();

const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** One line for an event: its name, who, the track's source, and the counts that a room event carries. */
function line(event) {
  const { event: name, room, participant, track } = event;
  const words = [name];
  if (participant) words.push(participant.identity);
  if (track) words.push(['unknown', 'camera', 'microphone'][track.source]);
  else words.push(`${room.numParticipants}/${room.numPublishers}`);
  return words.join(' ');
}

stage.test('a call is told whole and in order', async (call) => {
  const alice = await call.browser('alice', { name: 'Alice' });
  const camera = await alice.publishCamera();
  const bob = await call.browser('bob');
  await bob.events.want('trackSubscribed', { identity: 'alice', source: 'camera' });
  const microphone = await bob.publishMicrophone();
  await alice.events.want('trackSubscribed', { identity: 'bob', source: 'microphone' });
  await alice.unpublish('camera');
  await bob.events.want('trackUnpublished', { sid: camera.sid });
  await alice.publishMicrophone();
  await bob.events.want('trackSubscribed', { identity: 'alice', source: 'microphone' });
  await alice.leave();
  await bob.events.want('participantDisconnected', { identity: 'alice' });
  await bob.leave();

  const story = await call.sink.story(call.room);
  assert.deepEqual(story.map(line), [
    'room_started 0/0',
    'participant_joined alice 1/0',
    'track_published alice camera',
    'participant_joined bob 2/1',
    'track_published bob microphone',
    'track_unpublished alice camera',
    'track_published alice microphone',
    'track_unpublished alice microphone',
    'participant_left alice 1/1',
    'track_unpublished bob microphone',
    'participant_left bob 0/0',
    'room_finished 0/0',
  ]);

  // One session of the room, and each track and participant under one sid.
  assert.equal(new Set(story.map((e) => e.room.sid)).size, 1);
  assert.match(story[0].room.sid, /^RM_/);
  assert.deepEqual(story.filter((e) => e.track?.source === 1).map((e) => e.track.sid), [camera.sid, camera.sid]);
  assert.deepEqual(story.filter((e) => e.participant?.identity === 'bob' && e.track).map((e) => e.track.sid), [microphone.sid, microphone.sid]);
  assert.deepEqual(new Set(story.filter((e) => e.participant?.identity === 'alice').map((e) => e.participant.sid)), new Set([alice.sid]));

  // Ids are UUIDs of version 7, each its own.
  assert.equal(new Set(story.map((e) => e.id)).size, story.length);
  for (const { id } of story) assert.match(id, uuid7);
  const times = story.map((e) => Number(e.createdAt));
  assert.deepEqual(times, times.toSorted((a, b) => a - b));
  assert.ok(Math.abs(times[0] - Date.now() / 1000) < 120);
});

stage.test('the requests are what every receiver accepts', async (call) => {
  const alice = await call.browser('alice', { name: 'Alice', metadata: 'm', attributes: { colour: 'red' } });
  await alice.publishCamera();
  await waitFor('the camera to be told', () => call.sink.accepted(call.room).some((a) => a.event.event === 'track_published'));
  await alice.leave();
  await call.sink.story(call.room);
  const attempts = call.sink.accepted(call.room);
  const body = (name) => JSON.parse(attempts.find((a) => a.event.event === name).raw);

  for (const { method, headers, raw } of attempts) {
    assert.equal(method, 'POST');
    assert.equal(headers['content-type'], 'application/webhook+json');
    assert.doesNotMatch(headers.authorization, /^Bearer/i);
    const claims = JSON.parse(Buffer.from(headers.authorization.split('.')[1], 'base64url'));
    const now = Date.now() / 1000;
    assert.ok(claims.exp > now - 60 && claims.exp - claims.nbf <= 600, 'a short life');
    assert.ok(claims.nbf <= now - 5 && (claims.iat ?? 0) <= now - 5, 'back-dated for receivers without leeway');
    assert.equal(claims.aud, undefined);
    assert.match(claims.sha256, /^[A-Za-z0-9+/]{43}=$/);
    assert.doesNotMatch(raw.toString(), /turnPassword/i);
    assert.equal(typeof JSON.parse(raw).createdAt, 'string', 'a 64-bit number is a string in proto3 JSON');
  }

  const joined = body('participant_joined');
  assert.equal(joined.participant.state, 'ACTIVE');
  assert.deepEqual([joined.participant.name, joined.participant.metadata, joined.participant.attributes], ['Alice', 'm', { colour: 'red' }]);
  assert.equal(joined.room.name, call.room);
  assert.equal(joined.room.numParticipants, 1);
  const published = body('track_published');
  assert.deepEqual(Object.keys(published.room).sort(), ['name', 'sid']);
  assert.deepEqual(Object.keys(published.participant).sort(), ['identity', 'name', 'sid']);
  assert.deepEqual([published.track.type, published.track.source, published.track.mimeType], ['VIDEO', 'CAMERA', 'video/VP8']);
  const left = body('participant_left');
  assert.equal(left.participant.disconnectReason, 'CLIENT_INITIATED');
  assert.equal(left.participant.state, 'DISCONNECTED');
  assert.equal(left.participant.tracks, undefined);

  call.sink.assertAllVerified();
  assert.deepEqual(
    call.sink.verifyWithGo(attempts),
    attempts.map(({ event }) => ({ event: event.event, id: event.id })),
    'the Go receiver says the same');
});

stage.test('a client that never brings up its transport is told as aborted', async (call) => {
  const ghost = await call.signal('ghost');
  const { participant } = await ghost.joined();
  await ghost.leave();
  const story = await call.sink.story(call.room, (events) => events.some((e) => e.event.startsWith('participant_')));
  assert.deepEqual(story.map((e) => e.event), ['room_started', 'participant_connection_aborted']);
  assert.equal(story[1].participant.sid, participant.sid);
  assert.equal(story[1].participant.identity, 'ghost');
  await call.api.deleteRoom(call.room);
  assert.deepEqual((await call.sink.story(call.room)).map((e) => e.event),
    ['room_started', 'participant_connection_aborted', 'room_finished']);
});

stage.test('who joins and leaves at once is told as joined and left', async (call) => {
  await call.api.createRoom({ name: call.room, departureTimeout: 60 });
  for (let i = 0; i < 3; i++) await (await call.go(`go-${i}`)).leave();
  for (let i = 0; i < 3; i++) await (await call.browser(`browser-${i}`)).leave();
  await waitFor('everybody to be gone', async () => (await call.api.listParticipants(call.room)).length === 0);
  await call.api.deleteRoom(call.room);
  const story = await call.sink.story(call.room);
  assert.deepEqual(story.map((e) => `${e.event} ${e.participant?.identity ?? ''}`.trim()), [
    'room_started',
    ...['go-0', 'go-1', 'go-2', 'browser-0', 'browser-1', 'browser-2'].flatMap((who) => [`participant_joined ${who}`, `participant_left ${who}`]),
    'room_finished',
  ]);
});

stage.test('a second session of an identity replaces the first', async (call) => {
  const first = await call.browser('alice');
  await first.publishMicrophone();
  await waitFor('the microphone to be told', () => call.sink.accepted(call.room).some((a) => a.event.event === 'track_published'));
  const second = await call.browser('alice');
  await first.events.want('disconnected', { reason: 'DUPLICATE_IDENTITY' });
  await second.leave();
  const story = await call.sink.story(call.room);
  assert.deepEqual(story.map(line), [
    'room_started 0/0',
    'participant_joined alice 1/0',
    'track_published alice microphone',
    'track_unpublished alice microphone',
    'participant_left alice 0/0',
    'participant_joined alice 1/0',
    'participant_left alice 0/0',
    'room_finished 0/0',
  ]);
  const sids = story.filter((e) => e.participant && !e.track).map((e) => e.participant.sid);
  assert.deepEqual(sids, [first.sid, first.sid, second.sid, second.sid]);
  assert.notEqual(first.sid, second.sid);
  assert.equal(story[4].participant.disconnectReason, 2, 'DUPLICATE_IDENTITY');
});

stage.test('a client that dies is told as left', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.go('bob');
  await alice.events.want('participantConnected', { identity: 'bob' });
  await bob.leave({ hard: true });
  await alice.events.want('participantDisconnected', { identity: 'bob' }, { deadline: 45_000 });
  await alice.leave();
  const story = await call.sink.story(call.room);
  assert.deepEqual(story.map((e) => `${e.event} ${e.participant?.identity ?? ''}`.trim()), [
    'room_started', 'participant_joined alice', 'participant_joined bob', 'participant_left bob', 'participant_left alice', 'room_finished',
  ]);
});

stage.test('a room made by the API starts and, deleted, finishes', async (call) => {
  const { sid } = await call.api.createRoom({ name: call.room });
  await call.api.deleteRoom(call.room);
  const story = await call.sink.story(call.room);
  assert.deepEqual(story.map((e) => [e.event, e.room.sid]), [['room_started', sid], ['room_finished', sid]]);
  const [finished] = call.sink.accepted(call.room).slice(-1);
  assert.equal(JSON.parse(finished.raw).roomEndReason, 'ROOM_END_API_DELETE');
});

stage.test('an empty room finishes by itself', async (call) => {
  await call.api.createRoom({ name: call.room, emptyTimeout: 1 });
  const story = await call.sink.story(call.room);
  assert.deepEqual(story.map((e) => e.event), ['room_started', 'room_finished']);
  const [finished] = call.sink.accepted(call.room).slice(-1);
  assert.equal(JSON.parse(finished.raw).roomEndReason, 'ROOM_END_IDLE_TIMEOUT');
  assert.deepEqual(await call.api.listRooms([call.room]), []);
});

stage.test('deleting a room closes everything in it first', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  await alice.publishMicrophone();
  await bob.events.want('trackSubscribed', { identity: 'alice' });
  await call.api.deleteRoom(call.room);
  const story = await call.sink.story(call.room);
  const names = story.map((e) => e.event);
  assert.equal(names.at(-1), 'room_finished');
  assert.deepEqual(names.slice(0, 4), ['room_started', 'participant_joined', 'participant_joined', 'track_published']);
  assert.deepEqual(names.slice(4, -1).sort(), ['participant_left', 'participant_left', 'track_unpublished']);
  const closing = story.slice(4, -1).filter((e) => e.participant.identity === 'alice').map((e) => e.event);
  assert.deepEqual(closing, ['track_unpublished', 'participant_left'], 'a track closes before its participant');
  for (const e of story.filter(({ event }) => event === 'participant_left')) assert.equal(e.participant.disconnectReason, 5, 'ROOM_DELETED');
  assert.equal(story.at(-1).room.numParticipants, 0);
});

stage.test('a deleted room is not brought back by a client that only resumes', async (call) => {
  const ghost = await call.signal('ghost');
  const { participant } = await ghost.joined();
  await call.api.deleteRoom(call.room);
  await ghost.events.want('closed');

  let answer;
  try {
    const resumed = await call.signal('ghost', { reconnect: '1', sid: participant.sid });
    answer = await resumed.events.want(['leave', 'join', 'reconnect', 'closed']);
    await resumed.leave();
  } catch (refusal) {
    answer = { event: 'refused', status: refusal.status };
  }
  assert.ok(['leave', 'refused'].includes(answer.event), JSON.stringify(answer.event));
  assert.deepEqual(await call.api.listRooms([call.room]), []);
  // What follows in another room proves that nothing more comes of this one.
  const story = await call.sink.story(call.room);
  await call.api.createRoom({ name: `${call.room}-after` });
  await call.api.deleteRoom(`${call.room}-after`);
  await call.sink.story(`${call.room}-after`);
  assert.deepEqual((await call.sink.story(call.room)).map((e) => e.event), story.map((e) => e.event));
  assert.equal(story.filter((e) => e.event === 'room_started').length, 1);
});
