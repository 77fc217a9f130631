// Rooms whose sound and pictures are to be played in step (lip sync): camera and microphone
// of somebody are one stream.

import assert from 'node:assert/strict';
import { flashesAndBeeps, offsets } from '../harness/flash.mjs';
import { wantAudio, wantVideo } from '../harness/media.mjs';
import { scene } from '../harness/scene.mjs';
import { quantile } from '../harness/stamp.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();

// Pictures wait so long, in milliseconds, and sound only if it is to be in step with them.
const wait = 300;

/** How many milliseconds of its sender's time sound is ahead of pictures, as they are played. */
async function ahead(viewer) {
  const { audio, video } = await viewer.played();
  if (!audio || !video) throw new Error('nothing is known of when they were sent');
  return audio - video;
}

/** Beeps and their flashes, by when they were played, and by what the browser knows of when they were sent. */
async function claps(viewer) {
  const all = [], found = { flashes: 0, beeps: 0, known: 0 };
  for (let looks = 0; looks < 4 && all.length < 3; looks++) {
    const seen = await flashesAndBeeps(viewer.page, 4_000);
    all.push(...offsets(seen));
    found.flashes += seen.flashes.length;
    found.beeps += seen.beeps.length;
    found.known += seen.apart.length;
  }
  assert.ok(all.length >= 3, `${viewer.identity}: ${all.length} flashes with a beep: ${JSON.stringify(found)}`);
  const median = (of) => Math.round(quantile(all.map(of), 0.5));
  return { heard: median((o) => o.heard), unknown: median((o) => o.unknown) };
}

stage.test('camera and microphone are one stream that is played in step', async (call) => {
  await call.api.createRoom({ name: call.room, syncStreams: true, minPlayoutDelay: wait, maxPlayoutDelay: 2_000 });
  const [alice, ...viewers] = await Promise.all([
    call.browser('alice'), call.browser('one', { connections: 1 }), call.browser('two', { connections: 2 }),
  ]);
  await alice.publishClapper();
  await Promise.all(viewers.flatMap((viewer) => [wantVideo(viewer, 'alice'), wantAudio(viewer, 'alice')]));
  for (const viewer of viewers) {
    assert.deepEqual(await viewer.streams('alice'), { camera: `${alice.sid}|camera`, microphone: `${alice.sid}|camera` });
  }
  // Chromium brings them together by and by, going by their sender reports. Of tracks that are
  // not of one stream it knows no such times.
  await Promise.all(viewers.map((viewer) => waitFor(`sound and pictures of ${viewer.identity} to be in step`, async () => {
    const by = await ahead(viewer);
    if (Math.abs(by) < wait / 4) return true;
    throw new Error(`${by} ms apart`);
  })));
  const seen = await Promise.all(viewers.map(claps));
  console.log(`beeps are later than flashes, and than browsers know, by ${JSON.stringify(seen)} ms`);
  for (const { heard, unknown } of seen) {
    assert.ok(heard > -wait / 2, `sound does not wait for its pictures: ${heard} ms`);
    // What is sent together is told to have been sent together, however busy who plays it; Chromium
    // itself captures sound some 100 ms later than a canvas.
    assert.ok(unknown > -wait / 2 && unknown < wait, `beeps were not sent with their flashes: ${unknown} ms`);
  }
});

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
