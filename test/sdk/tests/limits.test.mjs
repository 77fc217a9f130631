// Who asks for too much is refused, or cut off, and told so as SDKs understand it.

import assert from 'node:assert/strict';
import { AccessToken, RoomServiceClient } from 'livekit-server-sdk';
import { wantAudio, wantVideo } from '../harness/media.mjs';
import { pause } from '../harness/recordings.mjs';
import { scene } from '../harness/scene.mjs';
import { waitFor } from '../harness/wait.mjs';
import { apiKey, apiSecret, joinToken } from '../harness/tokens.mjs';

const busy = { key: 'APIbusy', secret: 'another-secret-of-at-least-32-characters' };
const connections = 6;
const mediaBits = 200_000;
const stage = scene({
  config: {
    keys: { [apiKey]: apiSecret, [busy.key]: busy.secret },
    trusted_proxies: ['192.0.2.0/24'], // those of the default are on this machine, and not limited
    limit: {
      connections_per_address: connections, joins_per_key: 20, requests_per_key: 20, signal_messages: 5, media_bits: mediaBits,
      max_metadata_size: 1000, max_attributes_size: 1000,
    },
  },
});

stage.test('SDKs are told that too many come from one address, until some have gone', async (call) => {
  // They have transports: who has none is let go after a minute, which on a busy machine is over before the last SDK asks.
  const others = await Promise.all(Array.from({ length: connections }, (_, i) => call.rollcall(`other ${i}`)));
  const browser = await call.stranger('browser');
  // The browser's SDK asks for the reason, for three seconds, and knows only of refusals that are for good (401, 403, 404).
  await assert.rejects(browser.enter(call.server, call.room), ({ reason }) => ['WebSocket', 'ServerUnreachable'].includes(reason));
  const asked = await fetch(`${call.server.url}/rtc/validate?protocol=17&access_token=${await joinToken(call.room, 'browser')}`);
  assert.equal(asked.status, 429);
  assert.match(await asked.text(), /too many connections from address 127\.0\.0\.1: the limit is 6 at a time/);
  await assert.rejects(call.node('node'), /429|too many/i);
  await assert.rejects(call.go('go'), /429|too many/i);
  await assert.rejects(call.rollcall('rollcall'), /429|too many/i);
  await assert.rejects(call.python('python'), /429|too many/i);
  for (const other of others) await other.leave();
  await browser.enter(call.server, call.room);
  await call.node('node');
});

stage.test('the server SDK is told that requests with one key are too many', async (call) => {
  const api = new RoomServiceClient(call.server.url, busy.key, busy.secret);
  const refusals = [];
  await waitFor('a refusal', async () => {
    const answers = await Promise.allSettled(Array.from({ length: 200 }, () => api.listRooms()));
    refusals.push(...answers.filter((a) => a.status === 'rejected').map((a) => a.reason));
    return refusals.length > 0;
  });
  for (const error of refusals) assert.deepEqual([error.status, error.code], [429, 'resource_exhausted'], error.message);
  await call.api.listRooms(); // with another key
  await waitFor('requests to be taken again', () => api.listRooms());
});

stage.test('joins with tokens of one key are limited, and those of others are not', async (call) => {
  const token = new AccessToken(busy.key, busy.secret, { identity: 'many', ttl: 600 });
  token.addGrant({ room: call.room, roomJoin: true });
  const bearer = await token.toJwt();
  const validate = async () => (await fetch(`${call.server.url}/rtc/validate?access_token=${bearer}&protocol=17`)).status;
  await waitFor('a refusal', async () => (await Promise.all(Array.from({ length: 400 }, validate))).includes(429));
  const alice = await call.browser('alice');
  await waitFor('joins to be let in again', async () => await validate() === 200);
  await alice.leave();
});

stage.test('who signals too much is cut off, and the others go on', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  await assert.rejects(alice.setMetadata('x'.repeat(1001)), /metadata|limit/i);
  await assert.rejects(alice.setAttributes({ a: 'x'.repeat(1001) }), /attributes|limit/i);
  // None of them waits for its answer, which does not come in the end.
  for (let i = 0; i < 300; i++) alice.setMetadata(`${i}`).catch(() => {});
  await alice.events.want('disconnected', { reason: 'STATE_MISMATCH' });
  await bob.events.want('participantDisconnected', { identity: 'alice' });
  assert.match(call.server.log(), /client cut off.*too many messages/);
  await bob.setMetadata('still here');
  await waitFor('bob to have it', async () => (await call.api.getParticipant(call.room, 'bob')).metadata === 'still here');
});

stage.test('who publishes more than it may sends less, and is seen and heard', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  await alice.publishMicrophone();
  await alice.publishCamera({ width: 1280, height: 720 });
  await waitFor('the limit to be reached', () => /client sends more media than limit\.media_bits.*participant=alice/.test(call.server.log()), 60_000);
  const sent = async () => (await alice.sentLayers()).reduce((sum, layer) => sum + layer.bytes, 0);
  await waitFor('pictures to be within the limit', async () => {
    const [before, began] = [await sent(), performance.now()];
    await pause(3000);
    const bits = 8000 * (await sent() - before) / (performance.now() - began);
    if (bits < 1.3 * mediaBits) return true;
    throw new Error(`${Math.round(bits)} bits a second`);
  }, 60_000);
  await wantVideo(bob, 'alice', 5, 30_000);
  await wantAudio(bob, 'alice');
});
