// Codecs that browsers do not publish: files that ffmpeg has made, played by the Go SDK.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { promisify } from 'node:util';
import { scene } from '../harness/scene.mjs';
import { wantAudio, wantVideo } from '../harness/media.mjs';

const stage = scene();
const dir = mkdtempSync(path.join(os.tmpdir(), 'rollcall-codecs-'));
after(() => rmSync(dir, { recursive: true, force: true }));

async function ffmpeg(...args) {
  return promisify(execFile)('ffmpeg', ['-hide_banner', '-nostdin', '-y', '-loglevel', 'error', ...args]);
}

for (const [codec, encoder] of [['audio/PCMU', 'pcm_mulaw'], ['audio/PCMA', 'pcm_alaw']]) {
  stage.inBothModes(`${codec} of the Go SDK is heard by every SDK`, async (call) => {
    const file = path.join(dir, `${encoder}.wav`);
    await ffmpeg('-f', 'lavfi', '-i', 'sine=440:r=8000:d=120', '-c:a', encoder, file);
    const listeners = [await call.browser('browser'), await call.node('node'), await call.go('listener'), await call.rollcall('rollcall'), await call.python('python')];
    const speaker = await call.go('speaker');
    const { sid } = await speaker.publishFile(file);
    for (const who of listeners) await wantAudio(who, 'speaker');
    assert.equal((await listeners[0].audio('speaker')).mime, codec);
    const { tracks } = await call.api.getParticipant(call.room, 'speaker');
    assert.deepEqual(tracks.map((t) => [t.sid, t.mimeType]), [[sid, codec]]);
    await listeners[0].events.want('activeSpeakers', { identities: ['speaker'] });
  });
}

stage.inBothModes('H265 of the Go SDK arrives in whole pictures where it is decoded, and elsewhere the SDK says that it does not', async (call) => {
  const [second, film] = [path.join(dir, 'second.h265'), path.join(dir, 'film.h265')];
  await ffmpeg('-f', 'lavfi', '-i', 'testsrc2=s=640x360:r=30:d=1', '-c:v', 'libx265', '-preset', 'ultrafast', '-b:v', '1M',
    '-x265-params', 'keyint=30:bframes=0:slices=2:repeat-headers=1:log-level=error', second);
  writeFileSync(film, Buffer.concat(Array(120).fill(readFileSync(second))));
  const browser = await call.browser('browser');
  const receivers = [await call.go('receiver'), await call.rollcall('rollcall')];
  const camera = await call.go('camera');
  await camera.publishFile(film, { width: 640, height: 360 });
  for (const who of receivers) await wantVideo(who, 'camera', 60);
  for (const who of receivers) {
    const got = path.join(dir, `${who.identity}-${call.connections}.h265`);
    await who.save('camera', got);
    const { stderr } = await ffmpeg('-i', got, '-f', 'null', '-');
    assert.equal(stderr, '', `what ${who.identity} got is decoded without an error`);
    const { stdout } = await promisify(execFile)('ffprobe', ['-v', 'error', '-count_frames', '-show_entries', 'stream=codec_name,width,nb_read_frames', '-of', 'csv=p=0', got]);
    const [name, width, frames] = stdout.trim().split(',');
    assert.deepEqual([name, width], ['hevc', '640']);
    assert.ok(Number(frames) >= 30, `${frames} frames of ${who.identity}`);
  }
  // Chromium decodes H265 where its machine does.
  if (await browser.page.evaluate(() => RTCRtpReceiver.getCapabilities('video').codecs.some((c) => /h265/i.test(c.mimeType)))) {
    await wantVideo(browser, 'camera');
    assert.equal((await browser.video('camera')).mime, 'video/H265');
  } else {
    await browser.events.want('trackSubscriptionFailed', { identity: 'camera' });
  }
  const { tracks: [track] } = await call.api.getParticipant(call.room, 'camera');
  assert.deepEqual([track.mimeType, track.width, track.height], ['video/H265', 640, 360]);
});
