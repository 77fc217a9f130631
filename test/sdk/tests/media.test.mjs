// What becomes of the media itself: redundancy, mutes, rates, codecs.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { wantAudio } from '../harness/media.mjs';

const stage = scene();

stage.inBothModes('redundant audio is heard by those who take it, and by those who do not', async (call) => {
  const alice = await call.browser('alice');
  const listeners = [await call.browser('bob'), await call.node('node'), await call.go('go')];
  const published = await alice.publishMicrophone();
  for (const who of listeners) {
    await who.events.want('trackSubscribed', { identity: 'alice', source: 'microphone' });
    await wantAudio(who, 'alice');
  }
  const { tracks } = await call.api.getParticipant(call.room, 'alice');
  assert.deepEqual(tracks.map((t) => [t.sid, t.mimeType]), [[published.sid, 'audio/red']]);
  const sent = await alice.sentAudio();
  assert.equal(sent.first, 'audio/red');
  assert.match(sent.opus, /usedtx=1/);
});
