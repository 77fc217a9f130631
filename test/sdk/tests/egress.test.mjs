// Recordings, driven by the server SDK: what is in the files, and what is told of
// them, whoever dies.

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { EgressStatus, WebhookConfig } from '@livekit/protocol';
import { DirectFileOutput, EgressClient } from 'livekit-server-sdk';
import { active, egressOf, pause, recordings, storyOf, streamsOf, tracksOf } from '../harness/recordings.mjs';
import { scene } from '../harness/scene.mjs';
import { apiKey } from '../harness/tokens.mjs';
import { waitFor } from '../harness/wait.mjs';

const directory = recordings();
const stage = scene({ config: { egress: { directory }, webhook: { allow_networks: ['127.0.0.0/8'] } } });

const file = (filepath) => new DirectFileOutput({ filepath });

/** What is in a file of one stream. */
async function probe(path) {
  const { seconds, ...streams } = await streamsOf(path);
  const [[codec, { frames, width }]] = Object.entries(streams);
  return { codec, frames, width, seconds };
}

stage.test('tracks are recorded until StopEgress', async (call) => {
  const egress = egressOf(call);
  const ana = await call.browser('ana');
  await ana.publishCamera();
  await ana.publishMicrophone();
  const tracks = await tracksOf(call, 'ana', 2);

  const video = await egress.startTrackEgress(call.room, file('{room_name}/{publisher_identity}-{track_source}'), tracks.video);
  const audio = await egress.startTrackEgress(call.room, file('{room_name}/{publisher_identity}-{track_source}.mp4'), tracks.audio);
  assert.match(video.egressId, /^EG_/);
  assert.equal(video.status, EgressStatus.EGRESS_STARTING);
  for (const { egressId } of [video, audio]) await active(call, egressId);
  assert.equal((await call.api.listRooms([call.room]))[0].activeRecording, true);
  await pause(3000);
  for (const { egressId } of [video, audio]) {
    const stopping = await egress.stopEgress(egressId);
    assert.equal(stopping.status, EgressStatus.EGRESS_ENDING);
  }
  for (const { egressId } of [video, audio]) {
    const story = await storyOf(call, egressId);
    assert.deepEqual(story.map((e) => [e.event, e.egressInfo.status]), [
      ['egress_started', EgressStatus.EGRESS_STARTING],
      ['egress_updated', EgressStatus.EGRESS_ACTIVE],
      ['egress_updated', EgressStatus.EGRESS_ENDING],
      ['egress_ended', EgressStatus.EGRESS_COMPLETE],
    ]);
    const { fileResults: [result], details, roomName, manifestLocation } = story.at(-1).egressInfo;
    assert.equal(roomName, call.room);
    assert.equal(details, 'End reason: StopEgress API');
    const seen = await probe(result.location);
    assert.ok(seen.seconds >= 2.5, `${result.filename} plays ${seen.seconds} s`);
    assert.ok(Math.abs(seen.seconds - Number(result.duration) / 1e9) < 0.3, `it plays ${seen.seconds} s, and ${result.duration} ns are told`);
    if (egressId === video.egressId) {
      assert.equal(seen.codec, 'vp8');
      assert.ok(seen.frames >= 20 && seen.width > 0, JSON.stringify(seen));
      assert.equal(result.filename, 'ana-camera.webm');
    } else {
      assert.equal(seen.codec, 'opus');
      assert.equal(result.filename, 'ana-microphone.ogg', 'a name that is not of the format is mended');
    }
    const manifest = JSON.parse(await readFile(manifestLocation, 'utf8'));
    assert.equal(manifest.egress_id, egressId);
    assert.equal(manifest.publisher_identity, 'ana');
    assert.equal(manifest.files[0].location, result.location);
  }
  await waitFor('the room to be recorded no more', async () => !(await call.api.listRooms([call.room]))[0].activeRecording);
  await assert.rejects(egress.stopEgress(video.egressId), { code: 'failed_precondition' });
  assert.deepEqual((await egress.listEgress({ roomName: call.room, active: true })), []);
  assert.equal((await egress.listEgress({ roomName: call.room })).length, 2);
});

stage.test('a recording ends with its track, through a mute', async (call) => {
  const ana = await call.browser('ana');
  await ana.publishMicrophone();
  const { audio } = await tracksOf(call, 'ana', 1);
  const { egressId } = await egressOf(call).startTrackEgress(call.room, file(''), audio);
  await active(call, egressId);
  await pause(1000);
  await call.api.mutePublishedTrack(call.room, 'ana', audio, true);
  await pause(3000);
  await ana.leave();
  const { egressInfo } = (await storyOf(call, egressId)).at(-1);
  assert.deepEqual([egressInfo.status, egressInfo.details], [EgressStatus.EGRESS_COMPLETE, 'End reason: Source closed']);
  assert.ok((await probe(egressInfo.fileResults[0].location)).seconds > 0.5);
});

stage.test('the webhooks of a request hear of its recording alone', async (call) => {
  const ana = await call.browser('ana');
  await ana.publishMicrophone();
  const { audio } = await tracksOf(call, 'ana', 1);
  const egress = egressOf(call);
  const own = `${call.sink.url}?own`;
  const { egressId } = await egress.startTrackEgress(call.room, file('own'), audio, [new WebhookConfig({ url: own, signingKey: apiKey })]);
  await active(call, egressId);
  await egress.stopEgress(egressId);
  await storyOf(call, egressId);
  const heard = await waitFor('the webhooks of the request', () => {
    const got = call.sink.attempts.filter((a) => a.path.endsWith('?own')).map((a) => a.event.event);
    return got.at(-1) === 'egress_ended' && got;
  });
  assert.deepEqual(heard, ['egress_started', 'egress_updated', 'egress_updated', 'egress_ended']);
});

stage.test('what cannot be recorded is refused with its reason', async (call) => {
  const egress = egressOf(call);
  const ana = await call.browser('ana');
  await ana.publishMicrophone();
  const { audio } = await tracksOf(call, 'ana', 1);
  await assert.rejects(egress.startTrackEgress('no such room', file('a'), audio), { code: 'not_found' });
  await assert.rejects(egress.startTrackEgress(call.room, file('a'), 'TR_none'), { code: 'not_found' });
  await assert.rejects(egress.startTrackEgress(call.room, file('a'.repeat(3000)), audio), { code: 'invalid_argument' });
  await assert.rejects(egress.startTrackEgress(call.room, 'wss://10.1.2.3/in', audio), { code: 'invalid_argument' }, 'no way inside');
  await assert.rejects(egress.startTrackEgress(call.room, 'https://example.com', audio), { code: 'invalid_argument' });
  await assert.rejects(egress.stopEgress('EG_none'), { code: 'not_found' });
  await assert.rejects(new EgressClient(call.server.url, apiKey, 'x'.repeat(40)).listEgress(), { status: 401 });
  // Nobody gets out of the directory.
  const { fileResults: [{ location }], egressId } = await egress.startTrackEgress(call.room, file('../../../../etc/{room_name}'), audio);
  assert.ok(location.startsWith(join(directory, 'etc')), location);
  await active(call, egressId);
  await egress.stopEgress(egressId);
  await storyOf(call, egressId);
});

/** The worker of a recording: its process id. */
async function workerOf(egressId) {
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const line = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
    if (line.split('\0').includes(egressId)) return Number(entry);
  }
  return undefined;
}

stage.test('a worker that is killed costs its recording the last moment', async (call) => {
  const egress = egressOf(call);
  const ana = await call.browser('ana');
  await ana.publishCamera();
  const { video } = await tracksOf(call, 'ana', 1);
  const one = await egress.startTrackEgress(call.room, file('killed'), video);
  const two = await egress.startTrackEgress(call.room, file('spared'), video);
  for (const { egressId } of [one, two]) await active(call, egressId);
  await pause(2500);
  process.kill(await workerOf(one.egressId), 'SIGKILL');
  const { egressInfo: failed } = (await storyOf(call, one.egressId)).at(-1);
  assert.equal(failed.status, EgressStatus.EGRESS_FAILED);
  assert.match(failed.error, /signal: killed; \d+\.\d s were saved/);
  assert.ok((await probe(failed.fileResults[0].location)).seconds > 1.5);
  await egress.stopEgress(two.egressId);
  const { egressInfo: spared } = (await storyOf(call, two.egressId)).at(-1);
  assert.equal(spared.status, EgressStatus.EGRESS_COMPLETE);
});

for (const whom of ['server', 'server and worker']) {
  stage.test(`a recording of a ${whom} that died is ended by the next`, async (call) => {
    const ana = await call.browser('ana');
    await ana.publishCamera();
    const { video } = await tracksOf(call, 'ana', 1);
    const { egressId } = await egressOf(call).startTrackEgress(call.room, file('{track_id}'), video);
    await active(call, egressId);
    await pause(2500);
    const worker = await workerOf(egressId);
    assert.ok(worker, 'there is a worker');
    await call.server.end('SIGKILL');
    if (whom !== 'server') process.kill(worker, 'SIGKILL');
    await call.server.run();
    const story = await storyOf(call, egressId);
    assert.deepEqual(story.map((e) => e.event), ['egress_started', 'egress_updated', 'egress_ended']);
    const { egressInfo } = story.at(-1);
    assert.equal(egressInfo.status, EgressStatus.EGRESS_FAILED);
    assert.match(egressInfo.error, /the server ended while it recorded; \d+\.\d s were saved/);
    assert.ok((await probe(egressInfo.fileResults[0].location)).seconds > 1.5);
    assert.equal(await workerOf(egressId), undefined, 'no worker is left');
    assert.deepEqual((await egressOf(call).listEgress({ egressId })).map((i) => i.status), [EgressStatus.EGRESS_FAILED]);
  });
}

stage.test('a server that stops ends its recordings whole', async (call) => {
  const ana = await call.browser('ana');
  await ana.publishCamera();
  const { video } = await tracksOf(call, 'ana', 1);
  const { egressId } = await egressOf(call).startTrackEgress(call.room, file('{track_id}'), video);
  await active(call, egressId);
  await pause(1500);
  await call.server.end('SIGTERM');
  await call.server.run();
  const { egressInfo } = (await storyOf(call, egressId)).at(-1);
  assert.deepEqual([egressInfo.status, egressInfo.details], [EgressStatus.EGRESS_COMPLETE, 'End reason: Server stopped']);
  assert.ok((await probe(egressInfo.fileResults[0].location)).seconds > 1);
});
