// Who may not join: the HTTP status, a message of its own, and what the
// browser SDK makes of it.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { apiSecret, joinToken, rawToken } from '../harness/tokens.mjs';

const stage = scene();
const now = () => Math.floor(Date.now() / 1000);
const grant = (room) => ({ sub: 'alice', video: { roomJoin: true, room } });

const bad = {
  'an expired token': (room) => rawToken({ ...grant(room), nbf: now() - 7200, exp: now() - 3600 }),
  'a token that is not yet valid': (room) => rawToken({ ...grant(room), nbf: now() + 3600, exp: now() + 7200 }),
  'a token of an unknown key': (room) => rawToken({ ...grant(room), iss: 'APIunknown' }),
  'a token signed with another secret': (room) => rawToken(grant(room), { secret: 'not the secret, but long enough for it' }),
  'a token of another algorithm': (room) => rawToken(grant(room), { alg: 'HS512' }),
  'an unsigned token': (room) => rawToken(grant(room), { alg: 'none' }),
  'a token without a grant': () => rawToken({ sub: 'alice' }),
  'a token that may not join': (room) => rawToken({ sub: 'alice', video: { room } }),
  'something that is no token': () => 'no.token.atall',
};

for (const [what, mint] of Object.entries(bad)) {
  stage.test(`${what} is refused`, async (call) => {
    const token = mint(call.room);
    const response = await validate(call.server, token);
    assert.equal(response.status, 401);
    const message = await response.text();
    assert.ok(message.trim().length > 0, 'the refusal says why');
    assert.ok(!message.includes(token) && !message.includes(apiSecret), 'and not more than that');
    assert.equal(response.headers.get('access-control-allow-origin'), '*', 'a browser may read it');

    const alice = await call.stranger('alice');
    await assert.rejects(alice.join(call.server, token), (error) => {
      assert.deepEqual({ reason: error.reason, status: error.status }, { reason: 'NotAllowed', status: 401 });
      return true;
    });
    assert.deepEqual(await call.api.listRooms([call.room]), [], 'no room came of it');
  });
}

stage.test('each refusal has a message of its own', async ({ server, room }) => {
  const messages = new Map();
  for (const [what, mint] of Object.entries(bad)) {
    messages.set(what, await (await validate(server, mint(room))).text());
  }
  // The time, the key, the signature, the algorithm and the grant can each be wrong.
  const distinct = ['an expired token', 'a token that is not yet valid', 'a token of an unknown key',
    'a token signed with another secret', 'a token of another algorithm', 'a token without a grant'];
  assert.equal(new Set(distinct.map((what) => messages.get(what))).size, distinct.length, JSON.stringify([...messages], null, 1));
});

stage.test('no token, no identity and no room are refused', async ({ server, room }) => {
  assert.equal((await validate(server, '')).status, 401);
  assert.equal((await validate(server, rawToken({ video: { roomJoin: true, room } }))).status, 400);
  assert.equal((await validate(server, rawToken({ sub: 'alice', video: { roomJoin: true } }))).status, 400);
});

stage.test('a good token is accepted, in the header as in the query', async ({ server, room }) => {
  const token = await joinToken(room, 'alice');
  const query = await validate(server, token);
  assert.equal(query.status, 200);
  assert.equal((await query.text()).trim(), 'success');
  const header = await fetch(`${server.url}/rtc/validate`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(header.status, 200);
  assert.deepEqual(await server.api().listRooms([room]), [], 'validating makes no room');
  assert.ok(!server.log().includes(token) && !server.log().includes(apiSecret), 'the log keeps no secret');
});

function validate(server, token) {
  return fetch(`${server.url}/rtc/validate?${new URLSearchParams({ access_token: token, protocol: '17' })}`);
}
