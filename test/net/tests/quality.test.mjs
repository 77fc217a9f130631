// Connection quality says what a link is like: it falls when packets are lost or
// late, and rises when the link is good again.

import { netScene } from '../harness/scene.mjs';
import { wantVideo } from '../../sdk/harness/media.mjs';
import { waitFor } from '../../sdk/harness/wait.mjs';

const stage = netScene({ browser: false });
const patience = { deadline: 60_000 };

const fallen = (quality) => ['good', 'poor'].includes(quality);

// What a browser asks for again comes, and what it is asked for again it sends.
async function wantRepairs(alice, bob) {
  const before = await alice.repairs(bob.identity);
  await Promise.all([wantVideo(alice, bob.identity, 15), wantVideo(bob, alice.identity, 15)]);
  await waitFor('lost packets to be sent again, both ways', async () => {
    const now = await alice.repairs(bob.identity);
    const all = ['sent', 'received'].flatMap((way) => ['asked', 'came'].map((what) => now[way][what] > before[way][what]));
    if (all.every(Boolean)) return true;
    throw new Error(JSON.stringify(now));
  });
}

const links = {
  'loses one packet in five': [{ up: { loss: 0.2 }, down: { loss: 0.1 } }, wantRepairs],
  'is slow and uneven, though it loses nothing': [{ up: { delayMs: 250, jitterMs: 100 }, down: { delayMs: 250 } }],
};

for (const [what, [link, meanwhile]] of Object.entries(links)) {
  stage.test(`the quality of a client whose link ${what} falls, for it and for others, and comes back`, async (call) => {
    const home = await call.place('home');
    const alice = await call.browserAt(home, 'alice');
    const bob = await call.node('bob');
    for (const who of [alice, bob]) await who.publishCamera();
    await wantVideo(bob, 'alice');
    await wantVideo(alice, 'bob');
    for (const who of [alice, bob]) await who.events.want('connectionQuality', { identity: 'alice', quality: 'excellent' }, patience);

    let from = [alice, bob].map((who) => who.events.list.length);
    await home.set(link);
    for (const [i, who] of [alice, bob].entries()) {
      await who.events.want('connectionQuality', { identity: 'alice', quality: fallen }, { from: from[i], ...patience });
    }
    await meanwhile?.(alice, bob);
    from = [alice, bob].map((who) => who.events.list.length);
    await home.mend();
    for (const [i, who] of [alice, bob].entries()) {
      await who.events.want('connectionQuality', { identity: 'alice', quality: 'excellent' }, { from: from[i], ...patience });
    }
  });
}

stage.test('the quality of who only sends, far away or by an uneven link, and of whom the link has no room, falls and comes back', async (call) => {
  const [away, den, hut] = [await call.place('away'), await call.place('den'), await call.place('hut')];
  // They receive nothing: what subscribers report tells nothing of their links.
  const [alice, gopher] = [
    await call.browserAt(away, 'alice', { connect: { autoSubscribe: false } }),
    await call.goAt(den, 'gopher', { grant: { canSubscribe: false } }),
  ];
  const carol = await call.browserAt(hut, 'carol');
  const bob = await call.node('bob');
  await alice.publishCamera({ width: 640, height: 360, simulcast: true });
  await gopher.publishMicrophone();
  for (const who of [bob, carol]) await wantVideo(who, 'alice');
  const links = [
    [away, 'alice', [alice, bob], { up: { delayMs: 400 }, down: { delayMs: 400 } }],
    [den, 'gopher', [gopher, bob], { up: { jitterMs: 900 } }],
    [hut, 'carol', [carol], { down: { rate: 200_000, queue: 20_000 } }],
  ];
  // Each as soon as it is so for all who are told of it.
  const wantQuality = (quality, from) => Promise.all(links.flatMap(([, identity, watchers]) => watchers.map((who) =>
    who.events.want('connectionQuality', { identity, quality }, { from: from?.get(who), ...patience }))));
  const seen = () => new Map([alice, gopher, carol, bob].map((who) => [who, who.events.list.length]));
  await wantQuality('excellent');
  let from = seen();
  for (const [place, , , link] of links) await place.set(link);
  await wantQuality(fallen, from);
  from = seen();
  for (const [place] of links) await place.mend();
  await wantQuality('excellent', from);
});
