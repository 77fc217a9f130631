// What SDKs build on data packets: calls, texts and bytes longer than a packet.
// And packets across a resume.

import assert from 'node:assert/strict';
import { AccessToken } from 'livekit-server-sdk';
import { scene } from '../harness/scene.mjs';
import { apiKey, apiSecret } from '../harness/tokens.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();

stage.inBothModes('calls, texts and bytes travel between a browser and rtc-node', async (call) => {
  const browser = await call.browser('browser');
  const node = await call.node('node');
  await browser.events.want('participantConnected', { identity: 'node' });
  for (const [who, other] of [[browser, node], [node, browser]]) {
    await other.answerCalls('echo');
    await other.listen('topic');
    assert.equal(await who.call(other.identity, 'echo', 'hello'), 'echo hello');
    await assert.rejects(who.call(other.identity, 'nothing', ''), /not supported|unsupported/i);
    const text = 'abc'.repeat(20_000);
    await who.sendText(text, 'topic');
    await other.events.want('text', { from: who.identity, text });
    await who.sendBytes(100_000, 'topic');
    const sum = Array.from({ length: 100_000 }, (_, i) => i % 256).reduce((a, b) => a + b, 0);
    await other.events.want('bytes', { from: who.identity, size: 100_000, sum });
  }
});

/** Calls a method of a participant through the server API. */
async function performRpc(call, body) {
  const token = new AccessToken(apiKey, apiSecret, { ttl: 60 });
  token.addGrant({ roomAdmin: true, room: call.room });
  const response = await fetch(`${call.server.url}/twirp/livekit.RoomService/PerformRpc`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${await token.toJwt()}` },
    body: JSON.stringify({ room: call.room, ...body }),
  });
  return { status: response.status, ...await response.json() };
}

stage.test('the server API calls a browser and rtc-node', async (call) => {
  for (const who of [await call.browser('browser'), await call.node('node')]) {
    await who.answerCalls('echo');
    const answer = await performRpc(call, { destinationIdentity: who.identity, method: 'echo', payload: 'hello' });
    assert.deepEqual(answer, { status: 200, payload: 'echo hello' });
    const none = await performRpc(call, { destinationIdentity: who.identity, method: 'nothing' });
    assert.deepEqual([none.status, none.code], [501, 'unimplemented']);
    assert.match(none.msg, /1400/);
  }
  const nobody = await performRpc(call, { destinationIdentity: 'nobody', method: 'echo' });
  assert.deepEqual([nobody.status, nobody.code], [404, 'not_found']);
});

// The name stands at the beginning of a stream; what follows comes in the agent's own.
stage.test('what an agent writes for somebody else is said by that one, to every SDK', async (call) => {
  const all = [await call.browser('bob'), await call.node('node'), await call.go('go'), await call.python('python'), await call.rollcall('rollcall')];
  for (const who of all) await who.listen('spoken');
  for (const [identity, options] of [
    ['agent', { kind: 'agent' }], ['granted', { grant: { agent: true } }], ['unseen', { kind: 'agent', grant: { hidden: true } }],
  ]) {
    const agent = await call.node(identity, options);
    const pieces = ['Bob, ', 'x'.repeat(20_000), ` says ${identity}`];
    await agent.sayFor('bob', pieces, 'spoken');
    for (const who of all) await who.events.want('text', { from: 'bob', text: pieces.join('') });
  }
  // Others write in their own name, whatever they say.
  await (await call.node('mallory')).sayFor('bob', ['I am Bob'], 'spoken');
  for (const who of all) await who.events.want('text', { from: 'mallory', text: 'I am Bob' });
});

stage.inBothModes('reliable data sent while the signal connection is down comes once, in order', async (call) => {
  const alice = await call.stranger('alice');
  const wire = await alice.cuttableSignal(call.server);
  await alice.enter(call.server, call.room);
  const bob = await call.browser('bob');
  await alice.events.want('participantConnected', { identity: 'bob' });
  const everybody = [[alice, 'bob'], [bob, 'alice']];
  const sent = [];
  const say = async (text) => {
    sent.push(text);
    for (const [who] of everybody) await who.sendData(text, { reliable: true });
  };
  for (let i = 0; i < 5; i++) await say(`before ${i}`);
  await wire.cut();
  for (let i = 0; i < 5; i++) await say(`down ${i}`);
  wire.mend();
  await alice.events.want('reconnected', {}, { deadline: 30_000 });
  for (let i = 0; i < 5; i++) await say(`after ${i}`);
  for (const [who, from] of everybody) {
    const texts = () => who.events.all('data', { from }).map((e) => e.text);
    await waitFor(`${who.identity} to have all`, () => texts().includes('after 4'));
    assert.deepEqual(texts(), sent, `what ${who.identity} got`);
  }
});

/**
 * Puts a hand over a page's ears: while deaf() is in force reliable data goes to nobody,
 * as if it had been lost on the way; lost() is how many messages that were. To be called
 * before joining.
 */
async function mayBeDeaf(participant) {
  await participant.page.evaluate(() => {
    window.ears = { deaf: false, lost: 0 };
    const { set, get } = Object.getOwnPropertyDescriptor(RTCDataChannel.prototype, 'onmessage');
    Object.defineProperty(RTCDataChannel.prototype, 'onmessage', {
      configurable: true,
      get,
      set(handler) {
        set.call(this, handler && ((event) => {
          if (!window.ears.deaf || this.label !== '_reliable') return handler.call(this, event);
          window.ears.lost++;
          return undefined;
        }));
      },
    });
  });
  return {
    deaf: (deaf) => participant.page.evaluate((now) => { window.ears.deaf = now; }, deaf),
    lost: () => participant.page.evaluate(() => window.ears.lost),
  };
}

stage.inBothModes('reliable data that a client did not get is sent again when it resumes, once and in order', async (call) => {
  const alice = await call.stranger('alice');
  const ears = await mayBeDeaf(alice);
  const wire = await alice.cuttableSignal(call.server);
  await alice.enter(call.server, call.room);
  const all = [await call.browser('bob'), await call.node('node')];
  for (const { identity } of all) await alice.events.want('participantConnected', { identity });
  const sent = { bob: [], node: [] };
  const say = async (text) => {
    for (const who of all) {
      sent[who.identity].push(`${text} of ${who.identity}`);
      await who.sendData(`${text} of ${who.identity}`, { reliable: true });
    }
  };
  const texts = (from) => alice.events.all('data', { from }).map((e) => e.text);
  for (let i = 0; i < 3; i++) await say(`before ${i}`);
  await waitFor('alice to have what was said before', () => all.every(({ identity }) => texts(identity).length === 3));

  await wire.cut();
  await ears.deaf(true);
  for (let i = 0; i < 3; i++) await say(`missed ${i}`);
  await waitFor('all of it to be missed', async () => await ears.lost() === 6);
  await ears.deaf(false);
  assert.deepEqual(all.flatMap(({ identity }) => texts(identity)).filter((text) => /missed/.test(text)), []);
  wire.mend();
  await alice.events.want('reconnected', {}, { deadline: 30_000 });
  assert.equal((await alice.view()).local.sid, alice.sid, 'the same session');
  await say('after');
  for (const { identity } of all) {
    await waitFor(`alice to have all of ${identity}`, () => texts(identity).includes(`after of ${identity}`));
    assert.deepEqual(texts(identity), sent[identity]);
  }
});

stage.inBothModes('frames of data tracks reach those who subscribe, until their end', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  const carol = await call.browser('carol');
  await alice.publishDataTrack('pose');
  await alice.publishDataTrack('map');
  await bob.takeDataTrack('alice', 'map');
  await bob.takeDataTrack('alice', 'pose');
  // Lossy, and the subscription takes a moment: pushed until one has come.
  await waitFor('bob to get frames', async () => {
    await alice.pushFrame('pose', 'x'.repeat(5_000));
    await alice.pushFrame('map', 'here');
    const has = (name, text) => bob.events.all('frame', { from: 'alice', name, text }).length > 0;
    return has('pose', 'x'.repeat(5_000)) && has('map', 'here');
  });
  assert.equal(carol.events.all('frame').length, 0, 'carol has not asked');
  await alice.unpublishDataTrack('map');
  await bob.events.want('framesEnded', { from: 'alice', name: 'map' });
});
