// The faults that SDKs ask the server to play, and what becomes of them.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { wantVideo } from '../harness/media.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();
const patience = { deadline: 30_000 };

for (const scenario of ['node-failure', 'migration', 'leave-full-reconnect']) {
  stage.inBothModes(`${scenario}: the client is back in a new session`, async (call) => {
    const alice = await call.browser('alice');
    const bob = await call.browser('bob');
    await alice.publishCamera();
    await wantVideo(bob, 'alice');
    await alice.simulate(scenario);
    await alice.events.want('reconnected', {}, patience);
    await waitFor('alice to see bob again', async () => (await alice.view()).remotes.some((p) => p.identity === 'bob'));
    assert.notEqual((await alice.view()).local.sid, alice.sid, 'a new session');
    await wantVideo(bob, 'alice', 5, 30_000);
    assert.equal(alice.events.all('disconnected').length, 0);
    for (const who of [alice, bob]) await who.leave();
    const story = await call.sink.story(call.room, undefined, 60_000);
    const of = (name) => story.filter((e) => e.event === name).map((e) => e.participant.sid).toSorted();
    assert.equal(of('participant_joined').length, 3);
    assert.deepEqual(of('participant_left'), of('participant_joined'), 'each session ends once');
  });
}

for (const scenario of ['disconnect-signal-on-resume', 'disconnect-signal-on-resume-no-messages']) {
  stage.inBothModes(`${scenario}: the client is back at the next try`, async (call) => {
    const alice = await call.browser('alice');
    const bob = await call.browser('bob');
    await alice.publishCamera();
    await wantVideo(bob, 'alice');
    const from = bob.events.list.length;
    await alice.simulate(scenario);
    await alice.events.want('reconnected', {}, patience);
    await wantVideo(bob, 'alice');
    await alice.sendData('after', { reliable: true });
    await bob.events.want('data', { from: 'alice', text: 'after' });
    assert.equal(alice.events.all('disconnected').length, 0);
    // The SDK resumes once more or starts over, as it likes.
    if ((await alice.view()).local.sid === alice.sid) {
      assert.deepEqual(bob.events.list.slice(from).filter((e) => /^(participant[A-Z]|track)/.test(e.event)), []);
    }
  });
}

stage.test('server-leave: the client is out, and told why', async (call) => {
  const alice = await call.browser('alice');
  await alice.simulate('server-leave');
  await alice.events.want('disconnected', { reason: 'SERVER_SHUTDOWN' });
  await waitFor('nobody to be there', async () => (await call.api.listParticipants(call.room)).length === 0);
});

stage.test('speaker: everybody hears of it, and of its end', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  await alice.simulate('speaker');
  for (const who of [alice, bob]) {
    const from = who.events.list.length;
    await who.events.want('activeSpeakers', { identities: ['alice'] });
    await who.events.want('activeSpeakers', { identities: [] }, { from });
  }
});

for (const [scenario, protocol] of [['force-tcp', 'tcp'], ['force-tls', 'tcp']]) {
  stage.inBothModes(`${scenario}: media travels over ${protocol} from then on`, async (call) => {
    const alice = await call.browser('alice');
    const bob = await call.browser('bob');
    await alice.publishCamera();
    await wantVideo(bob, 'alice');
    assert.deepEqual([...new Set((await alice.route()).map((r) => r.protocol))], ['udp']);
    await alice.simulate(scenario);
    await alice.events.want('reconnected', {}, patience);
    await wantVideo(bob, 'alice', 5, 30_000);
    // Without a relay over TLS there is nothing better than TCP.
    assert.deepEqual([...new Set((await alice.route()).map((r) => r.protocol))], [protocol]);
  });
}

/** What the layers of a camera take, in bits per second, over two seconds. */
async function rates(who, rids) {
  const sent = async () => Object.fromEntries((await who.sentLayers()).map((layer) => [layer.rid, layer.bytes]));
  const [before, began] = [await sent(), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const [after, seconds] = [await sent(), (performance.now() - began) / 1000];
  return rids.map((rid) => (after[rid] - before[rid]) * 8 / seconds);
}

stage.inBothModes('subscriber-bandwidth: video follows it, and comes back', async (call) => {
  const alice = await call.browser('alice');
  const bob = await call.browser('bob');
  await alice.publishCamera({ width: 640, height: 360, simulcast: true });
  const wantWidth = (what, takes) => waitFor(what, async () => takes((await bob.video('alice')).width), 30_000);
  await wantWidth('the full picture', (width) => width === 640);
  // What the layers take depends on the picture, and on the machine that encodes it.
  const [small, full] = await rates(alice, ['q', 'h']);
  await bob.simulate('subscriber-bandwidth', Math.round(Math.sqrt(small * full)));
  await wantWidth('a small picture', (width) => width > 0 && width < 640);
  await wantVideo(bob, 'alice');
  await bob.simulate('subscriber-bandwidth', 10_000);
  await bob.events.want('streamState', { identity: 'alice', state: 'paused' }, patience);
  const from = bob.events.list.length;
  await bob.simulate('subscriber-bandwidth', 0);
  await bob.events.want('streamState', { identity: 'alice', state: 'active' }, { ...patience, from });
  await wantWidth('the full picture again', (width) => width === 640);
});
