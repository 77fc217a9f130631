// The server SDK drives every RoomService call: what it returns, what the
// clients see of it, and how it is refused.

import assert from 'node:assert/strict';
import { ListRoomsRequest, ListRoomsResponse } from '@livekit/protocol';
import { AccessToken, DataPacket_Kind } from 'livekit-server-sdk';
import { wantFull } from '../harness/full.mjs';
import { scene } from '../harness/scene.mjs';
import { apiKey, apiSecret } from '../harness/tokens.mjs';
import { wantVideo } from '../harness/media.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();

async function refused(promise, status, code) {
  await assert.rejects(promise, (error) => {
    assert.deepEqual({ status: error.status, code: error.code }, { status, code }, error.message);
    return true;
  });
}

stage.test('CreateRoom makes a room once and ListRooms tells of it', async ({ api, room }) => {
  const made = await api.createRoom({ name: room, emptyTimeout: 40, departureTimeout: 7, maxParticipants: 5, metadata: 'first' });
  assert.match(made.sid, /^RM_/);
  assert.equal(made.name, room);
  assert.deepEqual([made.emptyTimeout, made.departureTimeout, made.maxParticipants, made.metadata], [40, 7, 5, 'first']);
  assert.equal(made.numParticipants, 0);
  assert.ok(made.creationTime > 0n);

  const again = await api.createRoom({ name: room });
  assert.equal(again.sid, made.sid, 'one live session per name');
  assert.deepEqual([again.maxParticipants, again.metadata], [5, 'first'], 'a field that is not set stays');

  await api.createRoom({ name: `${room}-other` });
  assert.deepEqual((await api.listRooms([room])).map((r) => r.sid), [made.sid]);
  const all = (await api.listRooms()).map((r) => r.name);
  assert.ok(all.includes(room) && all.includes(`${room}-other`));
  assert.deepEqual(await api.listRooms(['no such room']), []);
  await api.deleteRoom(`${room}-other`);
});

stage.test('CreateRoom refuses an empty name', async ({ api }) => {
  await refused(api.createRoom({ name: '' }), 400, 'invalid_argument');
});

stage.test('a full room takes nobody else', async (call) => {
  await call.api.createRoom({ name: call.room, maxParticipants: 1 });
  await call.browser('alice');
  await wantFull(call);
  assert.deepEqual((await call.api.listParticipants(call.room)).map((p) => p.identity), ['alice']);
});

stage.test('DeleteRoom disconnects everybody and ends the room', async (call) => {
  const all = [await call.browser('browser'), await call.node('node'), await call.go('go')];
  await call.api.deleteRoom(call.room);
  for (const who of all) await who.events.want('disconnected', { reason: 'ROOM_DELETED' });
  assert.deepEqual(await call.api.listRooms([call.room]), []);
  await refused(call.api.deleteRoom(call.room), 404, 'not_found');
});

stage.test('ListParticipants and GetParticipant tell who is there', async (call) => {
  const alice = await call.browser('alice', { name: 'Alice', metadata: 'm', attributes: { a: '1' } });
  await alice.publishMicrophone();
  const info = await waitFor('the track to be listed', async () => {
    const got = await call.api.getParticipant(call.room, 'alice');
    return got.tracks.length === 1 && got;
  });
  assert.match(info.sid, /^PA_/);
  assert.deepEqual([info.identity, info.name, info.metadata, info.attributes], ['alice', 'Alice', 'm', { a: '1' }]);
  assert.equal(info.state, 2, 'ACTIVE');
  assert.equal(info.isPublisher, true);
  assert.equal(info.permission.canPublish, true);
  assert.match(info.tracks[0].mimeType, /^audio\/(opus|red)$/);
  assert.match(info.tracks[0].sid, /^TR_/);

  const listed = await call.api.listParticipants(call.room);
  assert.deepEqual(listed.map((p) => p.identity), ['alice']);
  assert.deepEqual(await call.api.listParticipants('no such room'), []);
  await refused(call.api.getParticipant(call.room, 'nobody'), 404, 'not_found');
  await refused(call.api.getParticipant('no such room', 'alice'), 404, 'not_found');
});

stage.test('RemoveParticipant puts one out', async (call) => {
  const all = [await call.browser('browser'), await call.node('node'), await call.go('go')];
  const watcher = await call.browser('watcher');
  for (const who of all) {
    await call.api.removeParticipant(call.room, who.identity);
    await who.events.want('disconnected', { reason: 'PARTICIPANT_REMOVED' });
    await watcher.events.want('participantDisconnected', { identity: who.identity });
  }
  assert.deepEqual((await call.api.listParticipants(call.room)).map((p) => p.identity), ['watcher']);
  await refused(call.api.removeParticipant(call.room, 'nobody'), 404, 'not_found');
});

stage.test('MutePublishedTrack mutes the publisher', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  const { sid } = await alice.publishMicrophone();
  await bob.events.want('trackSubscribed', { sid });

  const track = await call.api.mutePublishedTrack(call.room, 'alice', sid, true);
  assert.equal(track.sid, sid);
  assert.equal(track.muted, true);
  await alice.events.want('trackMuted', { identity: 'alice', sid });
  await bob.events.want('trackMuted', { identity: 'alice', sid });

  await refused(call.api.mutePublishedTrack(call.room, 'alice', sid, false), 412, 'failed_precondition');
  await refused(call.api.mutePublishedTrack(call.room, 'alice', 'TR_none', true), 404, 'not_found');
  await refused(call.api.mutePublishedTrack(call.room, 'nobody', sid, true), 404, 'not_found');
  await refused(call.api.mutePublishedTrack('no such room', 'alice', sid, true), 404, 'not_found');
});

stage.test('UpdateParticipant changes name, metadata and attributes for all to see', async (call) => {
  const alice = await call.browser('alice', { attributes: { keep: '1', drop: '2' } });
  const bob = await call.node('bob');
  const info = await call.api.updateParticipant(call.room, 'alice', {
    name: 'Alice', metadata: 'new', attributes: { drop: '', add: '3' },
  });
  assert.deepEqual([info.name, info.metadata, info.attributes], ['Alice', 'new', { keep: '1', add: '3' }]);
  for (const who of [alice, bob]) {
    await who.events.want('name', { identity: 'alice', name: 'Alice' });
    await who.events.want('metadata', { identity: 'alice', metadata: 'new' });
    await who.events.want('attributes', { identity: 'alice', changed: { drop: '', add: '3' } });
  }
  await refused(call.api.updateParticipant(call.room, 'nobody', { metadata: 'x' }), 404, 'not_found');
});

stage.test('UpdateParticipant takes away the permission to publish, and the tracks', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  const { sid } = await alice.publishCamera();
  await bob.events.want('trackSubscribed', { sid });

  const info = await call.api.updateParticipant(call.room, 'alice', {
    permission: { canPublish: false, canSubscribe: true, canPublishData: true },
  });
  assert.equal(info.permission.canPublish, false);
  await alice.events.want('permissions', { identity: 'alice', canPublish: false, canSubscribe: true });
  await alice.events.want('localTrackUnpublished', { sid });
  await bob.events.want('trackUnpublished', { identity: 'alice', sid });
  await assert.rejects(alice.publishMicrophone(), /insufficient permissions/);

  await call.api.updateParticipant(call.room, 'alice', {
    permission: { canPublish: true, canSubscribe: true, canPublishData: true },
  });
  await alice.events.want('permissions', { identity: 'alice', canPublish: true });
  await alice.publishMicrophone();
  await bob.events.want('trackSubscribed', { identity: 'alice', source: 'microphone' });
});

stage.test('UpdateSubscriptions takes a track from a subscriber and gives it back', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  const { sid } = await alice.publishCamera();
  await wantVideo(bob, 'alice');

  await call.api.updateSubscriptions(call.room, 'bob', [sid], false);
  await bob.events.want('trackUnsubscribed', { identity: 'alice', sid });
  const from = bob.events.list.length;
  await call.api.updateSubscriptions(call.room, 'bob', [sid], true);
  await bob.events.want('trackSubscribed', { identity: 'alice', sid }, { from });
  await wantVideo(bob, 'alice');

  await refused(call.api.updateSubscriptions(call.room, 'nobody', [sid], false), 404, 'not_found');
  await refused(call.api.updateSubscriptions('no such room', 'bob', [sid], false), 404, 'not_found');
});

stage.test('SendData reaches the addressed on every SDK', async (call) => {
  const all = [await call.browser('browser'), await call.node('node'), await call.go('go')];
  const bytes = (text) => new TextEncoder().encode(text);
  await call.api.sendData(call.room, bytes('to all'), DataPacket_Kind.RELIABLE, { topic: 'news' });
  for (const who of all) await who.events.want('data', { from: '', text: 'to all', topic: 'news' });
  for (const who of all) {
    await call.api.sendData(call.room, bytes(`to ${who.identity}`), DataPacket_Kind.RELIABLE, { destinationIdentities: [who.identity] });
  }
  await call.api.sendData(call.room, bytes('end'), DataPacket_Kind.RELIABLE, {});
  for (const who of all) {
    await who.events.want('data', { text: 'end' });
    assert.deepEqual(who.events.all('data').map((e) => e.text), ['to all', `to ${who.identity}`, 'end']);
  }
  await refused(call.api.sendData('no such room', bytes('x'), DataPacket_Kind.RELIABLE, {}), 404, 'not_found');
});

stage.test('UpdateRoomMetadata reaches every SDK and who comes later', async (call) => {
  const all = [await call.browser('browser'), await call.node('node'), await call.go('go')];
  const room = await call.api.updateRoomMetadata(call.room, 'the agenda');
  assert.equal(room.metadata, 'the agenda');
  for (const who of all) await who.events.want('roomMetadata', { metadata: 'the agenda' });
  const late = await call.browser('late');
  assert.equal((await late.view()).metadata, 'the agenda');
  await refused(call.api.updateRoomMetadata('no such room', 'x'), 404, 'not_found');
});

stage.test('each call wants its grant, for its room', async (call) => {
  await call.api.createRoom({ name: call.room });
  const calls = {
    createRoom: ['roomCreate', (api) => api.createRoom({ name: call.room })],
    deleteRoom: ['roomCreate', (api) => api.deleteRoom(call.room)],
    listRooms: ['roomList', (api) => api.listRooms()],
    listParticipants: ['roomAdmin', (api) => api.listParticipants(call.room)],
    getParticipant: ['roomAdmin', (api) => api.getParticipant(call.room, 'x')],
    removeParticipant: ['roomAdmin', (api) => api.removeParticipant(call.room, 'x')],
    mutePublishedTrack: ['roomAdmin', (api) => api.mutePublishedTrack(call.room, 'x', 'TR_x', true)],
    updateParticipant: ['roomAdmin', (api) => api.updateParticipant(call.room, 'x', { metadata: 'x' })],
    updateSubscriptions: ['roomAdmin', (api) => api.updateSubscriptions(call.room, 'x', ['TR_x'], true)],
    updateRoomMetadata: ['roomAdmin', (api) => api.updateRoomMetadata(call.room, 'x')],
    sendData: ['roomAdmin', (api) => api.sendData(call.room, new Uint8Array(1), DataPacket_Kind.LOSSY, {})],
  };
  const every = { roomCreate: true, roomList: true, roomAdmin: true, roomJoin: true, room: call.room };
  for (const [name, [needed, run]] of Object.entries(calls)) {
    await refused(run(granted({ ...every, [needed]: false })), 401, 'unauthenticated').catch((error) => {
      throw new Error(`${name} without ${needed}: ${error.message}`);
    });
    if (needed === 'roomAdmin') {
      await refused(run(granted({ ...every, room: 'another room' })), 401, 'unauthenticated').catch((error) => {
        throw new Error(`${name} with a grant for another room: ${error.message}`);
      });
    }
  }
  assert.equal((await call.api.listRooms([call.room])).length, 1, 'a refused DeleteRoom deletes nothing');

  // A service client whose tokens carry exactly this grant.
  function granted(grant) {
    const api = call.server.api();
    api.authHeader = async () => {
      const token = new AccessToken(apiKey, apiSecret, { identity: 'service', ttl: 60 });
      token.addGrant(grant);
      return { Authorization: `Bearer ${await token.toJwt()}` };
    };
    return api;
  }
});

stage.test('a wrong key or secret, or no token, is refused', async ({ server }) => {
  const status = (wanted) => (error) => error.status === wanted;
  await assert.rejects(server.api('APIunknown', apiSecret).listRooms(), status(401));
  await assert.rejects(server.api(apiKey, 'not the secret, but long enough for it').listRooms(), status(401));
  const bare = await fetch(`${server.url}/twirp/livekit.RoomService/ListRooms`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}',
  });
  assert.equal(bare.status, 401);
});

stage.test('protobuf bodies are understood as well as JSON', async ({ api, server, room }) => {
  const made = await api.createRoom({ name: room });
  const headers = await api.authHeader({ roomList: true });
  const response = await fetch(`${server.url}/twirp/livekit.RoomService/ListRooms`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/protobuf' },
    body: new ListRoomsRequest({ names: [room] }).toBinary(),
  });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/protobuf');
  const { rooms } = ListRoomsResponse.fromBinary(new Uint8Array(await response.arrayBuffer()));
  assert.deepEqual(rooms.map((r) => r.sid), [made.sid]);
});

stage.test('an unknown method or a body that is no message is refused', async ({ api, server }) => {
  const headers = { ...(await api.authHeader({ roomList: true })), 'content-type': 'application/json' };
  const unknown = await fetch(`${server.url}/twirp/livekit.RoomService/NoSuchCall`, { method: 'POST', headers, body: '{}' });
  assert.equal(unknown.status, 404);
  assert.equal((await unknown.json()).code, 'bad_route');
  const malformed = await fetch(`${server.url}/twirp/livekit.RoomService/ListRooms`, { method: 'POST', headers, body: '{' });
  assert.equal(malformed.status, 400);
  assert.equal((await malformed.json()).code, 'malformed');
});
