// Whether video that does not fit is paused is said by the server's configuration, and
// by a client that wants it otherwise.

import assert from 'node:assert/strict';
import { netScene } from '../harness/scene.mjs';
import { wantVideo } from '../../sdk/harness/media.mjs';
import { waitFor } from '../../sdk/harness/wait.mjs';

const stage = netScene({ server: { rtc: { congestion_control: { allow_pause: false } } } });

stage.test('video is paused for who allows it, and goes on for who does not', async (call) => {
  const [home, office] = [await call.place('home'), await call.place('office')];
  const allows = await call.browserAt(home, 'allows', { connect: { subscriberAllowPause: true } });
  const silent = await call.browserAt(office, 'silent');
  const alice = await call.browser('alice');
  await alice.publishCamera({ width: 960, height: 540, simulcast: true });
  for (const who of [allows, silent]) await wantVideo(who, 'alice');
  for (const place of [home, office]) await place.set({ down: { rate: 50_000, queue: 20_000 } });
  await allows.events.want('streamState', { identity: 'alice', source: 'camera', state: 'paused' }, { deadline: 30_000 });
  // What is sent to it is more than the link carries, so that some of it arrives.
  const { packets } = await silent.video('alice');
  await waitFor('video to go on', async () => (await silent.video('alice')).packets >= packets + 20, 30_000);
  assert.deepEqual(silent.events.all('streamState', { state: 'paused' }), []);
  for (const place of [home, office]) await place.mend();
  await allows.events.want('streamState', { identity: 'alice', source: 'camera', state: 'active' }, { deadline: 20_000 });
  for (const who of [allows, silent]) await wantVideo(who, 'alice', 5, 20_000);
});
