// RTMP: ffmpeg pushes flashes and beeps, and a browser sees and hears them together.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { IngressInput, IngressState_Status as Status, IngressVideoEncodingPreset as Preset, IngressVideoOptions } from '@livekit/protocol';
import { IngressClient } from 'livekit-server-sdk';
import { flashesAndBeeps, offsets } from '../harness/flash.mjs';
import { scene } from '../harness/scene.mjs';
import { freePort } from '../harness/server.mjs';
import { delays, quantile, stamping } from '../harness/stamp.mjs';
import { apiKey, apiSecret } from '../harness/tokens.mjs';
import { waitFor } from '../harness/wait.mjs';

// How long is looked: longer, with ROLLCALL_FIGURES=60, it measures what
// docs/performance-media.md says.
const seconds = Number(process.env.ROLLCALL_FIGURES ?? 6);

// What a beep may seem to be off by, in milliseconds: most of it is what a browser of a
// busy machine takes to paint and to play. What it is told is held by
// test/ingress, to the millisecond; here it is that it goes by it.
const lenience = 100;

const port = await freePort('tcp');
const stage = scene({ config: { ingress: { rtmp: { port } } } });

/** Pushes a flash at each whole second and a beep so many seconds after it; video: options of x264. Returns what ends it. */
function push(info, late, video) {
  const ffmpeg = spawn('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-nostdin', '-re',
    '-f', 'lavfi', '-i', "color=black:s=320x180:r=30,drawbox=h=150:c=white:t=fill:enable='lt(mod(t,1),0.1)'",
    '-re', '-f', 'lavfi', '-i', `aevalsrc='0.8*sin(2*PI*1000*t)*lt(mod(t+1-${late},1),0.1)':s=48000`,
    '-vf', stamping, '-t', `${seconds + 60}`, '-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '60', ...video,
    '-c:a', 'aac', '-b:a', '128k', '-f', 'flv', `${info.url}/${info.streamKey}`], { stdio: ['ignore', 'inherit', 'inherit'] });
  const exit = once(ffmpeg, 'exit');
  return async () => {
    ffmpeg.kill('SIGINT'); // it says goodbye, and exits with 255
    assert.deepEqual(await exit, [255, null]);
  };
}

const storyOf = (call, info, count) => waitFor(`${count} events`, () => {
  const story = call.sink.accepted().filter((a) => a.event?.ingressInfo?.ingressId === info.ingressId).map((a) => a.event);
  return story.length >= count && story;
}, 30_000);

for (const [name, video, options, width, late] of [
  ['with B-frames', ['-bf', '2'], {}, 320, 0],
  // That its sound is late is the source's own: it shows that one would be seen to be.
  ['as it comes, with sound that is late', ['-bf', '0', '-tune', 'zerolatency'], {}, 320, 0.15],
  ['in layers', ['-bf', '0'], {
    video: new IngressVideoOptions({ encodingOptions: { case: 'preset', value: Preset.H264_540P_25FPS_2_LAYERS } }),
  }, undefined, 0],
]) {
  stage.test(`what is pushed ${name} is seen and heard together`, async (call) => {
    const ingress = new IngressClient(call.server.url, apiKey, apiSecret);
    const viewer = await call.browser('viewer');
    const info = await ingress.createIngress(IngressInput.RTMP_INPUT, { name: 'studio', roomName: call.room, participantIdentity: 'encoder', ...options });
    assert.equal(info.url, `rtmp://127.0.0.1:${port}/live`);
    const goodbye = push(info, late, video);
    await waitFor('the first frames', async () => ((await viewer.video('encoder'))?.count ?? 0) > 0, 30_000);
    // A machine that is busy plays some for which there is no other half: it is looked again.
    const apart = [], waited = [], found = { flashes: 0, beeps: 0 };
    for (let looks = 0; looks < 6 && apart.length < 3; looks++) {
      const [measured, took] = await Promise.all([flashesAndBeeps(viewer.page, seconds * 1000), delays(viewer.page, seconds * 1000)]);
      // What the browser knows to be apart, for it has buffered the one for longer, is not
      // the server's; what it does not know is.
      apart.push(...offsets(measured).map((o) => ({ heard: Math.round(o.heard - late * 1000), unknown: Math.round(o.unknown - late * 1000) })));
      waited.push(...took);
      found.flashes += measured.flashes.length;
      found.beeps += measured.beeps.length;
    }
    const pictures = await viewer.video('encoder');
    await goodbye();
    assert.equal(pictures.mime, 'video/H264');
    if (width) assert.equal(pictures.width, width);
    console.log(`${name}: ${pictures.count} painted, ${[0.5, 0.99].map((part) => Math.round(quantile(waited, part)))} ms after they were made (median, p99); ` +
      `beeps too late by ${apart.map((o) => o.heard)} ms, of which the browser did not know ${apart.map((o) => o.unknown)}`);
    assert.ok(apart.length >= 3, JSON.stringify(found));
    const median = quantile(apart.map((o) => o.unknown), 0.5);
    assert.ok(Math.abs(median) < lenience, `beeps are too late by ${median} ms`);
    // Pictures wait for their sound from the first on, and not once the browser has found out.
    const each = pictures.toWait / pictures.emitted;
    assert.ok(each > 0.06, `pictures were to wait ${each} s`);
    assert.ok(pictures.count > 80, `${pictures.count} pictures`);
    const story = await storyOf(call, info, 2);
    assert.deepEqual(story.map((e) => [e.event, e.ingressInfo.state.status]), [
      ['ingress_started', Status.ENDPOINT_PUBLISHING], ['ingress_ended', Status.ENDPOINT_INACTIVE],
    ]);
    assert.ok(!JSON.stringify(story).includes(info.streamKey));
  });
}
