// Participants who encrypt among themselves: what they send is not changed on the
// way, across layers, switches and mutes, and who has another key sees nothing.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { wantAudio, wantVideo } from '../harness/media.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();

for (const [name, options] of [
  ['vp8 in layers', { width: 640, height: 360, simulcast: true }],
  ['h264', { codec: 'h264' }],
  ['vp9', { codec: 'vp9' }],
]) {
  stage.inBothModes(`encrypted media arrives as it was sent: ${name}`, async (call) => {
    const alice = await call.browser('alice', { secret: 'ours' });
    const bob = await call.browser('bob', { secret: 'ours' });
    const eve = await call.browser('eve', { secret: 'theirs' });
    await alice.publishMicrophone();
    await alice.publishCamera(options);
    await wantVideo(bob, 'alice');
    await wantAudio(bob, 'alice');
    if (options.simulcast) {
      const { width } = await bob.video('alice');
      for (const quality of [0, 2, 0]) {
        await bob.setQuality('alice', 'camera', quality);
        await waitFor(`quality ${quality}`, async () => ((await bob.video('alice')).width < width) === (quality === 0), 30_000);
        await wantVideo(bob, 'alice');
      }
    }
    for (let i = 0; i < 2; i++) {
      await alice.setMuted('camera', true);
      await bob.events.want('trackMuted', { identity: 'alice', source: 'camera' });
      await alice.setMuted('camera', false);
      await wantVideo(bob, 'alice');
    }
    const { tracks } = await call.api.getParticipant(call.room, 'alice');
    assert.deepEqual(tracks.map((t) => t.encryption), [1, 1], 'GCM');
    assert.equal(tracks.find((t) => t.source === 2).mimeType, 'audio/opus', 'what is encrypted has no redundancy');
    await eve.events.want('trackSubscribed', { identity: 'alice', source: 'camera' });
    assert.equal((await eve.video('alice')).decoded, 0, 'eve has another key');
  });
}
