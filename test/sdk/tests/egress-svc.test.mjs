// Recordings of streams that have layers inside, as browsers make VP9 and AV1.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { DirectFileOutput, EncodedFileOutput } from 'livekit-server-sdk';
import { active, egressOf, pause, recordings, stopped, tracksOf } from '../harness/recordings.mjs';
import { scene } from '../harness/scene.mjs';
import { waitFor } from '../harness/wait.mjs';

const directory = recordings();
const stage = scene({ config: { egress: { directory } } });
const run = promisify(execFile);

/** The pictures that decoding a file shows, none of which it complains of. */
async function pictures(path) {
  const { stdout, stderr } = await run('ffprobe', [
    '-v', 'error', '-select_streams', 'v', '-show_entries', 'frame=pts_time,width,height', '-of', 'json', path]);
  assert.equal(stderr, '', path);
  return JSON.parse(stdout).frames.map((f) => ({ at: Number(f.pts_time), size: `${f.width}x${f.height}` }));
}

const asked = 15; // pictures a second

/** How many pictures of a camera somebody has decoded until when, in seconds. */
async function seen(by, whose) {
  const { decoded } = await by.video(whose);
  return { decoded, at: performance.now() / 1000 };
}

/** Notes how often a camera is seen to be sent in which size, until it is ended or its sender is gone. */
function sizesOf(who) {
  const seen = new Map();
  let going = true;
  const ended = (async () => {
    while (going) {
      for (const { width, height } of await who.sentLayers()) {
        const size = `${width}x${height}`;
        seen.set(size, (seen.get(size) ?? 0) + 1);
      }
      await pause(50);
    }
  })().catch(() => {});
  return { seen, end: () => { going = false; return ended; } };
}

for (const codec of ['vp9', 'av1']) {
  stage.test(`${codec} with layers inside is recorded in full size`, async (call) => {
    const ana = await call.browser('ana');
    const bob = await call.browser('bob');
    await ana.publishCamera({ width: 640, height: 360, codec, frameRate: asked });
    await bob.events.want('trackSubscribed', { identity: 'ana', source: 'camera' });
    await waitFor('the camera in full size', async () => (await bob.video('ana')).width === 640, 30_000);
    const { video } = await tracksOf(call, 'ana', 1);
    const egress = egressOf(call);
    const sent = sizesOf(ana);
    const recorded = [
      await egress.startTrackEgress(call.room, new DirectFileOutput({ filepath: codec }), video),
      await egress.startTrackCompositeEgress(call.room, new EncodedFileOutput({ filepath: `${codec}.mp4` }), { videoTrackId: video }),
    ];
    for (const { egressId } of recorded) await active(call, egressId);
    const before = new Map(sent.seen);
    const began = await seen(bob, 'ana');
    await pause(1000);
    await call.browser('carol'); // wants a key picture, in which all layers are
    await pause(2000);
    const meanwhile = [...sent.seen].map(([size, times]) => [size, times - (before.get(size) ?? 0)]); // while it was recorded
    for (const { egressId } of recorded) {
      const { fileResults: [{ location }] } = await stopped(call, egressId);
      const ended = await seen(bob, 'ana');
      // A browser that has not enough of the processor sends fewer pictures than it was asked to.
      const rate = (ended.decoded - began.decoded) / (ended.at - began.at);
      assert.ok(rate > 2, `${rate} pictures a second are seen`);
      const shown = await pictures(location);
      const seconds = shown.at(-1).at - shown[0].at;
      // As large as they were sent: a browser that has not enough of the processor sends smaller ones for a while.
      const sizes = new Set(shown.map((p) => p.size));
      const missing = meanwhile.filter(([size, times]) => times > 10 && !sizes.has(size));
      const told = `${location}: ${[...sizes]} are recorded, ${[...sent.seen]} were sent`;
      assert.deepEqual(missing, [], told);
      // While it tries sizes, one may come and go between two looks.
      const other = shown.filter((p) => !sent.seen.has(p.size)).length;
      assert.ok(other <= (sent.seen.size > 1 ? 3 : 0), told);
      const stuck = shown.findIndex((p, i) => i > 0 && p.at > 0.02 && !(p.at > shown[i - 1].at)); // those that were there before begin it together
      assert.equal(stuck, -1, `${location}: ${JSON.stringify(shown.slice(Math.max(stuck - 3, 0), stuck + 3))} of ${shown.length}`);
      const [least, most] = [seconds * rate * 0.8 - 2, seconds * asked * 1.2 + 2];
      assert.ok(seconds > 2 && shown.length > least && shown.length <= most, `${location}: ${shown.length} pictures in ${seconds} s, ${rate} a second were seen`);
    }
    await sent.end();
  });
}
