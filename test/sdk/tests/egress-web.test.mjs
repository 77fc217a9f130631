// Recordings of web pages, driven by the server SDK: a real Chromium shows them.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { dirname, join } from 'node:path';
import {
  EgressStatus, EncodedFileOutput, EncodedFileType, EncodingOptions, EncodingOptionsPreset, FileOutput, ImageOutput, Output, SegmentedFileOutput,
  StartEgressRequest, StreamInfo_Status, StreamOutput, StreamProtocol, WebSource,
} from '@livekit/protocol';
import { clapsOf, offsetsOf, serveClapper } from '../harness/clapper.mjs';
import { active, egressOf, keepsItsPromise, pause, recordings, stopped, storyOf, streamsOf } from '../harness/recordings.mjs';
import { RtmpServer } from '../harness/receivers.mjs';
import { scene } from '../harness/scene.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene({ config: { egress: { directory: recordings(), max_cpu: 0, page_memory: '1GiB' }, webhook: { allow_networks: ['127.0.0.0/8'] } } });

const file = (filepath, more = {}) => ({ file: new EncodedFileOutput({ filepath, ...more }) });
const endOf = async (call, id) => (await storyOf(call, id)).at(-1).egressInfo;

const rtmp = await RtmpServer.start();
after(() => rtmp.close());

let clapper;
before(async () => { clapper = await serveClapper(); });
after(() => clapper?.close());

stage.test('a page is recorded with picture and sound until StopEgress', async (call) => {
  const { egressId, status } = await egressOf(call).startWebEgress(clapper.url, file('clapper.mp4'));
  assert.equal(status, EgressStatus.EGRESS_STARTING);
  await active(call, egressId);
  await pause(5000);
  const { fileResults: [result] } = await stopped(call, egressId);
  const seen = await streamsOf(result.location);
  assert.equal(seen.h264?.width, 1280, JSON.stringify(seen));
  assert.ok(seen.seconds >= 4.5 && seen.h264.frames >= 20, JSON.stringify(seen));
  // Sound is there all the time, or silence in its place.
  assert.ok(Math.abs(seen.opus.frames * 0.02 - seen.seconds) < 0.5, JSON.stringify(seen));
  const claps = await clapsOf(result.location);
  const offsets = offsetsOf(claps).sort((a, b) => Math.abs(a) - Math.abs(b));
  assert.ok(offsets.length >= 2, JSON.stringify(claps));
  // A machine that is busy has the page itself flash late, so the median counts.
  assert.ok(Math.abs(offsets[offsets.length >> 1]) < 0.15, `beeps are ${offsets} s from their flashes`);
});

stage.test('a page goes to whoever takes streams, and into segments, images and files beside them', async (call) => {
  const egress = egressOf(call);
  const { egressId } = await egress.startWebEgress(clapper.url, {
    ...file('all.mp4'), stream: new StreamOutput({ protocol: StreamProtocol.RTMP, urls: [rtmp.url('page-first')] }),
    segments: new SegmentedFileOutput({ filenamePrefix: 'page/part', segmentDuration: 2 }), images: new ImageOutput({ filenamePrefix: 'page/image', captureInterval: 1 }),
  }, { encodingOptions: new EncodingOptions({ width: 640, height: 360, framerate: 15, videoBitrate: 800 }) });
  await active(call, egressId);
  const reached = (n) => waitFor(`${n} to be reached`, async () =>
    (await egress.listEgress({ egressId }))[0].streamResults.filter((s) => s.startedAt > 0n).length === n, 40_000);
  await reached(1);
  await egress.updateStream(egressId, [rtmp.url('page-second')], []);
  await reached(2);
  await assert.rejects(egress.updateStream(egressId, ['rtmp://10.0.0.1/app/key'], []), { code: 'invalid_argument' });
  await pause(3000);
  const info = await stopped(call, egressId);
  for (const path of [info.fileResults[0].location, info.segmentResults[0].playlistLocation, ...rtmp.recorded('page-first'), ...rtmp.recorded('page-second')]) {
    const seen = await streamsOf(path);
    assert.ok(seen.h264?.width === 640 && seen.h264.frames >= 8 && seen.aac?.frames > 40, `${path}: ${JSON.stringify(seen)}`);
  }
  await keepsItsPromise(info.segmentResults[0].playlistLocation, 3);
  const { location } = info.fileResults[0];
  const seen = await streamsOf(location);
  assert.ok(Math.abs(seen.aac.frames * 1024 / 44100 - seen.seconds) < 0.6, `sound is there all the time: ${JSON.stringify(seen)}`);
  const offsets = offsetsOf(await clapsOf(location)).sort((a, b) => Math.abs(a) - Math.abs(b));
  assert.ok(offsets.length >= 1 && Math.abs(offsets[offsets.length >> 1]) < 0.15, `beeps are ${offsets} s from their flashes`);
  assert.ok(Number(info.imageResults[0].imageCount) >= 3 && info.streamResults.every((s) => s.status === StreamInfo_Status.FINISHED), JSON.stringify(info.toJson()));
  assert.equal((await streamsOf(join(dirname(location), 'page/image_00001.jpeg'))).mjpeg.width, 640);

  const sound = await egress.startWebEgress(clapper.url, file('sound.mp3', { fileType: EncodedFileType.MP3 }), { audioOnly: true });
  await active(call, sound.egressId);
  await pause(1500);
  const { fileResults: [mp3] } = await stopped(call, sound.egressId);
  assert.ok(mp3.filename === 'sound.mp3' && (await streamsOf(mp3.location)).mp3.channels === 2);
});

stage.test('a page says when its recording begins and when it is over', async (call) => {
  const { egressId } = await egressOf(call).startEgress(new StartEgressRequest({
    source: { case: 'web', value: new WebSource({ url: `${clapper.url}?start=4&end=7`, awaitStartSignal: true, videoOnly: true }) },
    encoding: { case: 'preset', value: EncodingOptionsPreset.PORTRAIT_H264_720P_30 },
    outputs: [new Output({ config: { case: 'file', value: new FileOutput({ filepath: 'signals.webm' }) } })],
  }));
  const info = await endOf(call, egressId);
  assert.deepEqual([info.status, info.details, info.error], [EgressStatus.EGRESS_COMPLETE, 'End reason: Source closed', '']);
  const seen = await streamsOf(info.fileResults[0].location);
  assert.ok(seen.vp8.width === 720 && !seen.opus && seen.vp8.frames >= 3, JSON.stringify(seen));
  // A busy machine leaves most of the pictures out.
  assert.ok(seen.seconds > 0.05 && seen.seconds < 6, `it plays ${seen.seconds} s`);
  // What was there before the page, which is black, is not in it.
  const { brightness } = await clapsOf(info.fileResults[0].location, { sound: false });
  assert.ok(Math.min(...brightness) > 30, `${brightness}`);
});

stage.test('pages that cannot be recorded end with the reason', async (call) => {
  const egress = egressOf(call);
  for (const [path, want] of [
    ['404', /its server answered 404 Not Found/],
    ['away', /cannot be loaded/],
  ]) {
    const { egressId } = await egress.startWebEgress(clapper.url + path, file('none'));
    const info = await endOf(call, egressId);
    assert.equal(info.status, EgressStatus.EGRESS_FAILED);
    assert.match(info.error, want);
    assert.deepEqual(info.fileResults, []);
  }
  const { egressId } = await egress.startWebEgress(clapper.url, { ...file('none') }, { awaitStartSignal: true });
  await pause(1000);
  await egress.stopEgress(egressId);
  const info = await endOf(call, egressId);
  assert.deepEqual([info.status, info.errorCode], [EgressStatus.EGRESS_ABORTED, 412]);
  assert.match(info.error, /start signal not received/);
  await assert.rejects(egress.startWebEgress('http://169.254.169.254/latest', file('none')), { code: 'invalid_argument', message: /metadata/ });
  await assert.rejects(egress.startWebEgress('http://10.0.0.1/', file('none')), { code: 'invalid_argument', message: /allowed networks/ });
});

stage.test('a page that takes too much memory ends its own recording, which is kept', async (call) => {
  const egress = egressOf(call);
  const well = await egress.startWebEgress(clapper.url, file('well'));
  await active(call, well.egressId);
  const { egressId } = await egress.startWebEgress(`${clapper.url}hungry`, file('hungry'));
  const info = await endOf(call, egressId);
  assert.equal(info.status, EgressStatus.EGRESS_FAILED);
  assert.match(info.error, /its browser takes \d+ MiB of memory, and egress.page_memory is 1024 MiB/);
  assert.ok((await streamsOf(info.fileResults[0].location)).seconds > 0.5, info.error);
  await stopped(call, well.egressId);
});

stage.test('a page of your own lays out the room', async (call) => {
  const ana = await call.browser('ana');
  await ana.publishCamera();
  const egress = egressOf(call);
  const { egressId } = await egress.startRoomCompositeEgress(call.room, {
    ...file('layout'), images: new ImageOutput({ filenamePrefix: 'layout', captureInterval: 1 }),
  }, { layout: 'dark', customBaseUrl: `${clapper.url}layout` });
  await active(call, egressId);
  const [room] = await call.api.listRooms([call.room]);
  assert.deepEqual([room.activeRecording, room.numParticipants], [true, 1], 'the recorder is seen as one, and not counted');
  await pause(1500);
  await egress.updateLayout(egressId, 'bright');
  await pause(2500);
  const { fileResults: [result], imageResults: [images] } = await stopped(call, egressId);
  assert.equal(result.filename, 'layout.mp4');
  assert.ok(Number(images.imageCount) >= 2);
  const seen = await streamsOf(result.location);
  assert.ok(seen.h264?.frames >= 20, JSON.stringify(seen));
  const { brightness } = await clapsOf(result.location, { sound: false });
  assert.ok(brightness.at(-1) > brightness[0] + 50, `from ${brightness[0]} to ${brightness.at(-1)}`);
  await waitFor('the recorder to be gone', async () => !(await call.api.listRooms([call.room]))[0].activeRecording);
});
