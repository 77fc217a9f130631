// Whole rooms, encoded anew, driven by the server SDK: into files, segments and
// images, and to who takes streams.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after } from 'node:test';
import {
  EgressStatus, EncodedFileOutput, EncodedFileType, EncodingOptions, ImageOutput, SegmentedFileOutput, StreamInfo_Status, StreamOutput, StreamProtocol,
} from '@livekit/protocol';
import { active, egressOf, pause, recordings, storyOf, stopped, streamsOf } from '../harness/recordings.mjs';
import { RtmpServer, srtListener } from '../harness/receivers.mjs';
import { scene } from '../harness/scene.mjs';
import { waitFor } from '../harness/wait.mjs';

const directory = recordings();
const stage = scene({ config: { egress: { directory }, webhook: { allow_networks: ['127.0.0.0/8'] } } });

const rtmp = await RtmpServer.start();
after(() => rtmp.close());

const options = new EncodingOptions({ width: 640, height: 360, framerate: 24, videoBitrate: 800, audioBitrate: 64, keyFrameInterval: 1 });

async function workerOf(egressId) {
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const line = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(`egress-worker\0`) && line.includes(`\0${egressId}\0`)) return Number(entry);
  }
  return undefined;
}

async function two(call) {
  for (const name of ['ana', 'ben']) {
    const who = await call.browser(name);
    await who.publishCamera();
    await who.publishMicrophone();
  }
}

stage.test('a room is recorded in a layout that changes, with segments and images beside the file', async (call) => {
  await two(call);
  const egress = egressOf(call);
  const { egressId } = await egress.startRoomCompositeEgress(call.room, {
    file: new EncodedFileOutput({ filepath: '{room_name}/whole' }),
    segments: new SegmentedFileOutput({ filenamePrefix: `${call.room}/part`, segmentDuration: 2 }),
    images: new ImageOutput({ filenamePrefix: `${call.room}/image`, captureInterval: 1 }),
  }, { layout: 'grid', encodingOptions: options });
  await active(call, egressId);
  await pause(2500);
  await egress.updateLayout(egressId, 'speaker-light');
  await assert.rejects(egress.updateLayout('EG_none', 'grid'), { code: 'not_found' });
  await pause(2500);
  const info = await stopped(call, egressId);
  const [file] = info.fileResults;
  assert.equal(file.filename, 'whole.mp4');
  const seen = await streamsOf(file.location);
  assert.equal(seen.h264.width, 640);
  const { dropped_pictures: dropped = 0, missing_ms: missing = 0 } = JSON.parse(await readFile(info.manifestLocation, 'utf8'));
  assert.ok(Math.abs((seen.h264.frames + dropped) / 24 - seen.seconds) < 0.2, `no picture is missing but those that are said to be: ${JSON.stringify({ seen, dropped })}`);
  assert.ok(dropped / 24 * 1000 - missing < 1, `${dropped} pictures were left out, and ${missing} ms are missing`);
  assert.ok(seen.aac.channels === 2 && Math.abs(seen.seconds - Number(file.duration) / 1e9) < 0.3, JSON.stringify(seen));
  const [segments] = info.segmentResults;
  assert.ok(Number(segments.segmentCount) >= 2, JSON.stringify(info.toJson()));
  const list = await readFile(segments.playlistLocation, 'utf8');
  assert.match(list, /part_00001\.ts\n[^]*#EXT-X-ENDLIST/);
  assert.equal((await streamsOf(segments.playlistLocation)).h264.frames, seen.h264.frames);
  const [images] = info.imageResults;
  assert.ok(Number(images.imageCount) >= 4);
  assert.equal((await streamsOf(join(directory, call.room, 'image_00002.jpeg'))).mjpeg.width, 640);
});

stage.test('a worker that is killed costs its recording the last moment, and nothing else', async (call) => {
  await two(call);
  const { egressId } = await egressOf(call).startRoomCompositeEgress(call.room, {
    file: new EncodedFileOutput({ filepath: '{room_name}/killed' }),
    segments: new SegmentedFileOutput({ filenamePrefix: `${call.room}/cut`, segmentDuration: 1 }),
    images: new ImageOutput({ filenamePrefix: `${call.room}/shot`, captureInterval: 1 }),
  }, { encodingOptions: options });
  await active(call, egressId);
  // How long encoding takes, and how far pictures are behind their sound, is the machine's business.
  await waitFor('three seconds of sound and one of pictures in the file, and as much beside it', async () => {
    const beside = await readdir(join(directory, call.room));
    if (!['cut_00002.ts', 'shot_00002.jpeg'].every((name) => beside.includes(name))) return false; // before all of the file is decoded
    const [{ fileResults: [{ location }] }] = await egressOf(call).listEgress({ egressId });
    const { seconds, h264 } = await streamsOf(location);
    return seconds >= 3 && h264?.frames >= 24;
  }, 60_000);
  process.kill(await workerOf(egressId), 'SIGKILL');
  const { egressInfo: info } = (await storyOf(call, egressId)).at(-1);
  assert.equal(info.status, EgressStatus.EGRESS_FAILED);
  const seen = await streamsOf(info.fileResults[0].location);
  assert.ok(seen.seconds >= 2 && seen.h264.frames >= 10, JSON.stringify(seen));
  assert.ok(Number(info.segmentResults[0].segmentCount) >= 2, JSON.stringify(info.toJson()));
  assert.ok((await streamsOf(info.segmentResults[0].playlistLocation)).seconds >= 1.5);
  assert.ok(Number(info.imageResults[0].imageCount) >= 2);
});

stage.test('sound alone is MP3, and what cannot be is refused at once', async (call) => {
  const ana = await call.browser('ana');
  await ana.publishMicrophone();
  const egress = egressOf(call);
  const mp3 = new EncodedFileOutput({ filepath: 'sound', fileType: EncodedFileType.MP3 });
  const { egressId } = await egress.startRoomCompositeEgress(call.room, { file: mp3 }, { audioOnly: true });
  await active(call, egressId);
  await pause(1500);
  const { fileResults: [file] } = await stopped(call, egressId);
  assert.equal(file.filename, 'sound.mp3');
  assert.ok((await streamsOf(file.location)).mp3.channels === 2);
  await assert.rejects(egress.startRoomCompositeEgress(call.room, { file: mp3 }, { layout: 'no-such' }), { code: 'invalid_argument' });
});

stage.test('a stream goes to RTMP and SRT; who cannot be reached does not end it', async (call) => {
  await two(call);
  const egress = egressOf(call);
  const listener = await srtListener(join(directory, 'srt.ts'));
  after(() => listener.kill());
  const dead = `${rtmp.url('x').replace(String(rtmp.port), '1')}/secret-of-the-dead`;
  const { egressId, streamResults } = await egress.startRoomCompositeEgress(call.room, {
    stream: new StreamOutput({ protocol: StreamProtocol.DEFAULT_PROTOCOL, urls: [rtmp.url('first-secret'), listener.url, dead] }),
  }, { encodingOptions: options });
  assert.ok(streamResults.every((s) => !JSON.stringify(s.toJson()).includes('secret')), 'keys are not told');
  const states = async () => (await egress.listEgress({ egressId }))[0].streamResults;
  await waitFor('two of three to be reached', async () => (await states()).filter((s) => s.startedAt > 0n).length === 2, 30_000);
  await assert.rejects(egress.updateStream(egressId, [], [rtmp.url('another')]), { code: 'not_found' });
  for (const url of ['rtmp://10.0.0.1/app/key', 'rtmps://[fd00::1]/app/key', 'srt://169.254.169.254:9000']) {
    const refused = { code: 'invalid_argument', message: /where requests may not/ };
    await assert.rejects(egress.updateStream(egressId, [url], []), refused);
    await assert.rejects(egress.startRoomCompositeEgress(call.room, { stream: new StreamOutput({ urls: [url] }) }), refused);
  }
  await egress.updateStream(egressId, [rtmp.url('second-secret')], [dead]);
  await waitFor('one more to be reached', async () => (await states()).filter((s) => s.startedAt > 0n).length === 3, 30_000);
  await pause(2500);
  const info = await stopped(call, egressId);
  const reached = info.streamResults.filter((s) => s.startedAt > 0n);
  assert.ok(reached.every((s) => s.status === StreamInfo_Status.FINISHED && s.duration > 0n), JSON.stringify(info.toJson()));
  assert.equal(info.streamResults.find((s) => s.startedAt === 0n).status, StreamInfo_Status.FAILED);
  await listener.ended;
  for (const path of [...rtmp.recorded('first'), ...rtmp.recorded('second'), join(directory, 'srt.ts')]) {
    const seen = await streamsOf(path);
    assert.ok(seen.h264.frames > 24 && seen.h264.width === 640 && seen.aac.frames > 40, `${path}: ${JSON.stringify(seen)}`);
  }
  const told = JSON.stringify((await storyOf(call, egressId)).map((e) => e.toJson())) + call.server.log();
  for (const secret of ['first-secret', 'second-secret', 'secret-of-the-dead']) assert.ok(!told.includes(secret), `${secret} is told`);
});
