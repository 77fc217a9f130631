// Connection quality says what a link is like: it falls when packets are lost or
// late, and rises when the link is good again.

import { netScene } from '../harness/scene.mjs';
import { wantVideo } from '../../sdk/harness/media.mjs';

const stage = netScene({ browser: false });
const patience = { deadline: 60_000 };

const links = {
  'loses one packet in five': { up: { loss: 0.2 } },
  'is slow and uneven, though it loses nothing': { up: { delayMs: 250, jitterMs: 100 }, down: { delayMs: 250 } },
};

for (const [what, link] of Object.entries(links)) {
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
      await who.events.want('connectionQuality', { identity: 'alice', quality: (q) => ['good', 'poor'].includes(q) }, { from: from[i], ...patience });
    }
    from = [alice, bob].map((who) => who.events.list.length);
    await home.mend();
    for (const [i, who] of [alice, bob].entries()) {
      await who.events.want('connectionQuality', { identity: 'alice', quality: 'excellent' }, { from: from[i], ...patience });
    }
  });
}
