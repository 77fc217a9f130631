// RTMP: ffmpeg pushes flashes and beeps, and a browser sees and hears them together.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { IngressInput, IngressState_Status as Status, IngressVideoEncodingPreset as Preset, IngressVideoOptions } from '@livekit/protocol';
import { IngressClient } from 'livekit-server-sdk';
import { flashesAndBeeps, offsets } from '../harness/flash.mjs';
import { scene } from '../harness/scene.mjs';
import { freePort } from '../harness/server.mjs';
import { apiKey, apiSecret } from '../harness/tokens.mjs';
import { waitFor } from '../harness/wait.mjs';

const port = await freePort('tcp');
const stage = scene({ config: { ingress: { rtmp: { port } }, room: { sync_streams: true } } });

/** Pushes a flash and a beep at each whole second, for so long; video: options of x264. */
async function push(call, info, seconds, video) {
  const ffmpeg = spawn('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-nostdin', '-re',
    '-f', 'lavfi', '-i', "color=black:s=320x180:r=30,drawbox=c=white:t=fill:enable='lt(mod(t,1),0.1)'",
    '-f', 'lavfi', '-i', "aevalsrc='0.8*sin(2*PI*1000*t)*lt(mod(t,1),0.1)':s=48000",
    '-t', `${seconds}`, '-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '60', ...video,
    '-c:a', 'aac', '-b:a', '128k', '-f', 'flv', `${info.url}/${info.streamKey}`], { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = await once(ffmpeg, 'exit');
  assert.equal(code, 0);
}

const storyOf = (call, info, count) => waitFor(`${count} events`, () => {
  const story = call.sink.accepted().filter((a) => a.event?.ingressInfo?.ingressId === info.ingressId).map((a) => a.event);
  return story.length >= count && story;
}, 30_000);

for (const [name, video, options, width] of [
  ['with B-frames', ['-bf', '2'], {}, 320],
  ['as it comes', ['-bf', '0', '-tune', 'zerolatency'], {}, 320],
  ['in layers', ['-bf', '0'], {
    video: new IngressVideoOptions({ encodingOptions: { case: 'preset', value: Preset.H264_540P_25FPS_2_LAYERS } }),
  }, undefined],
]) {
  stage.test(`what is pushed ${name} is seen and heard together`, async (call) => {
    const ingress = new IngressClient(call.server.url, apiKey, apiSecret);
    const viewer = await call.browser('viewer');
    const info = await ingress.createIngress(IngressInput.RTMP_INPUT, { name: 'studio', roomName: call.room, participantIdentity: 'encoder', ...options });
    assert.equal(info.url, `rtmp://127.0.0.1:${port}/live`);
    const pushing = push(call, info, 11, video);
    await waitFor('the first frames', async () => ((await viewer.video('encoder'))?.count ?? 0) > 0, 30_000);
    const measured = await flashesAndBeeps(viewer.page, 6_000);
    const pictures = await viewer.video('encoder');
    await pushing;
    assert.equal(pictures.mime, 'video/H264');
    if (width) assert.equal(pictures.width, width);
    // What the browser knows to be apart, for it has buffered the one for longer, is not
    // the server's; what it does not know is.
    const apart = offsets(measured);
    console.log(`${name}: ${pictures.count} painted; beeps after flashes by ${apart.map((o) => Math.round(o.heard))} ms, of which the browser did not know ${apart.map((o) => Math.round(o.unknown))}`);
    assert.ok(apart.length >= 3, `${measured.flashes.length} flashes, ${measured.beeps.length} beeps`);
    assert.ok(apart.every(({ unknown }) => Math.abs(unknown) < 120), `beeps are ${apart.map((o) => Math.round(o.unknown))} ms after their flashes`);
    assert.ok(pictures.count > 80, `${pictures.count} pictures`);
    const story = await storyOf(call, info, 2);
    assert.deepEqual(story.map((e) => [e.event, e.ingressInfo.state.status]), [
      ['ingress_started', Status.ENDPOINT_PUBLISHING], ['ingress_ended', Status.ENDPOINT_INACTIVE],
    ]);
    assert.ok(!JSON.stringify(story).includes(info.streamKey));
  });
}
