// Rooms whose sound and pictures are to be played in step (lip sync): camera and microphone
// of somebody are one stream.

import assert from 'node:assert/strict';
import { wantAudio, wantVideo } from '../harness/media.mjs';
import { scene } from '../harness/scene.mjs';

const stage = scene();

stage.inBothModes('every SDK finds the tracks of one stream', async (call) => {
  await call.api.createRoom({ name: call.room, syncStreams: true });
  const all = [await call.browser('browser'), await call.node('node'), await call.go('go'), await call.rollcall('rollcall')];
  for (const who of all) {
    await who.publishCamera();
    await who.publishMicrophone();
  }
  const pairs = all.flatMap((who) => all.filter((other) => other !== who).map((other) => [who, other]));
  await Promise.all(pairs.flatMap(([who, other]) => [wantVideo(who, other.identity), wantAudio(who, other.identity)]));
  for (const other of all.slice(1)) {
    const stream = `${other.sid}|camera`;
    assert.deepEqual(await all[0].streams(other.identity), { camera: stream, microphone: stream });
  }
});
