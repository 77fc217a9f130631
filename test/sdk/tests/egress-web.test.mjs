// Recordings of web pages, driven by the server SDK: a real Chromium shows them.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { EgressStatus, EncodedFileOutput } from '@livekit/protocol';
import { clapsOf, offsetsOf, serveClapper } from '../harness/clapper.mjs';
import { active, egressOf, pause, recordings, stopped, storyOf, streamsOf } from '../harness/recordings.mjs';
import { scene } from '../harness/scene.mjs';

const stage = scene({ browser: false, config: { egress: { directory: recordings() }, webhook: { allow_networks: ['127.0.0.0/8'] } } });

const file = (filepath, more = {}) => ({ file: new EncodedFileOutput({ filepath, ...more }) });

let clapper;
before(async () => { clapper = await serveClapper(); });
after(() => clapper?.close());

stage.test('a page is recorded with picture and sound until StopEgress', async (call) => {
  const { egressId, status } = await egressOf(call).startWebEgress(clapper.url, file('clapper.mp4'));
  assert.equal(status, EgressStatus.EGRESS_STARTING);
  await active(call, egressId);
  await pause(6000);
  const { fileResults: [result] } = await stopped(call, egressId);
  const seen = await streamsOf(result.location);
  assert.equal(seen.h264?.width, 1280, JSON.stringify(seen));
  const claps = await clapsOf(result.location);
  const offsets = offsetsOf(claps).map((s) => Math.round(s * 1000));
  console.log(JSON.stringify({ seen, flashes: claps.flashes, beeps: claps.beeps, offsets }));
  assert.ok(offsets.length >= 3, JSON.stringify(claps));
});
