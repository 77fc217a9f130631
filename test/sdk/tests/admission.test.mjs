// Who is let in, and into what: presets of rooms, identities that are taken, tokens
// that were revoked.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { AccessToken } from 'livekit-server-sdk';
import { wantFull } from '../harness/full.mjs';
import { scene } from '../harness/scene.mjs';
import { apiKey, apiSecret, joinToken } from '../harness/tokens.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene({
  config: {
    room: {
      duplicate_identity: 'reject',
      room_configurations: {
        classroom: { max_participants: 2, departure_timeout: 30, metadata: 'a class', sync_streams: true },
      },
    },
  },
});

stage.test('a token names a preset for the room that it makes', async (call) => {
  const token = new AccessToken(apiKey, apiSecret, { identity: 'alice', ttl: 600 });
  token.roomPreset = 'classroom';
  token.addGrant({ room: call.room, roomJoin: true });
  const alice = await call.stranger('alice');
  await alice.join(call.server, await token.toJwt());
  const bob = await call.browser('bob');
  const [made] = await call.api.listRooms([call.room]);
  assert.deepEqual([made.maxParticipants, made.departureTimeout, made.metadata], [2, 30, 'a class']);
  assert.equal((await alice.view()).metadata, 'a class');
  await wantFull(call);

  // Camera and microphone share a stream, and both arrive.
  await alice.publishCamera();
  await alice.publishMicrophone();
  await bob.events.want('trackSubscribed', { identity: 'alice', source: 'camera' });
  await bob.events.want('trackSubscribed', { identity: 'alice', source: 'microphone' });
});

stage.test('CreateRoom names a preset, and what it says itself comes first', async ({ api, room }) => {
  const made = await api.createRoom({ name: room, roomPreset: 'classroom', metadata: 'mine' });
  assert.deepEqual([made.maxParticipants, made.metadata], [2, 'mine']);
  await assert.rejects(api.createRoom({ name: `${room}-2`, roomPreset: 'no such preset' }), (error) => {
    assert.deepEqual([error.status, error.code], [400, 'invalid_argument']);
    return true;
  });
});

stage.inBothModes('an identity that is in the room is refused', async (call) => {
  const first = await call.browser('alice');
  const second = await call.stranger('alice');
  await assert.rejects(second.enter(call.server, call.room), (error) => {
    assert.equal(error.reason, 'LeaveRequest', error.message);
    return true;
  });
  await assert.rejects(call.go('alice'), /a participant of this identity is in the room already/);
  await assert.rejects(call.signal('alice', { sdk: 'python' }), (error) => {
    assert.deepEqual([error.status, error.body.trim()], [409, 'a participant of this identity is in the room already']);
    return true;
  });
  assert.deepEqual(first.events.all('disconnected'), []);
  // Its own full reconnect is no second session.
  await first.simulate('full-reconnect');
  await first.events.want('reconnected');
  await first.leave();
  await waitFor('the identity to be free', async () => (await call.api.listParticipants(call.room)).length === 0);
  await second.enter(call.server, call.room);
});

stage.test('a revoked token stays revoked across a restart', async (call) => {
  const token = await joinToken(call.room, 'alice');
  const alice = await call.stranger('alice');
  await alice.join(call.server, token);
  await call.api.removeParticipant(call.room, 'alice');
  await alice.events.want('disconnected', { reason: 'PARTICIPANT_REMOVED' });
  const back = await call.stranger('alice');
  for (const end of ['SIGTERM', 'SIGKILL']) {
    await assert.rejects(back.join(call.server, token), /revoked/);
    await call.server.end(end);
    await call.server.run();
  }
  await assert.rejects(back.join(call.server, token), /revoked/);
  await back.join(call.server, await joinToken(call.room, 'bob'));
});

// The SDK's own tokens do not say when they were made.
stage.test('who was removed comes back with a token that was made later', async (call) => {
  const old = await joinToken(call.room, 'alice');
  const alice = await call.stranger('alice');
  await alice.join(call.server, old);
  await sleep(1500);
  const admin = await joinToken(call.room, 'admin', { grant: { roomAdmin: true } });
  const removed = await fetch(`${call.server.url}/twirp/livekit.RoomService/RemoveParticipant`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${admin}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ room: call.room, identity: 'alice', revokeTokenTs: Math.floor(Date.now() / 1000) }),
  });
  assert.equal(removed.status, 200);
  await alice.events.want('disconnected', { reason: 'PARTICIPANT_REMOVED' });
  const back = await call.stranger('alice');
  await sleep(1500);
  await assert.rejects(back.join(call.server, old), /revoked/);
  await back.join(call.server, await joinToken(call.room, 'alice'));
});
