// Recordings that go into a store, driven by the server SDK: they get there, whoever
// is down, and nobody is told a secret on the way.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after } from 'node:test';
import { promisify } from 'node:util';
import {
  AliOSSUpload, AzureBlobUpload, EgressStatus, EncodingOptions, GCPUpload, ImageFileSuffix, ImageOutput, S3Upload, SegmentedFileOutput,
} from '@livekit/protocol';
import { DirectFileOutput, EgressClient } from 'livekit-server-sdk';
import { scene } from '../harness/scene.mjs';
import { S3Server } from '../harness/stores.mjs';
import { apiKey, apiSecret } from '../harness/tokens.mjs';
import { waitFor } from '../harness/wait.mjs';

const directory = mkdtempSync(join(tmpdir(), 'rollcall-egress-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const store = await S3Server.start('recordings', 'requested');
after(() => store.close());
const storage = { prefix: 'calls', s3: { access_key: store.accessKey, secret: store.secret, bucket: 'recordings', endpoint: store.url } };
const stage = scene({ config: { egress: { directory, upload_patience: '3s', storage }, webhook: { allow_networks: ['127.0.0.0/8'] } } });

const egressOf = (call) => new EgressClient(call.server.url, apiKey, apiSecret);
const file = (filepath, output) => new DirectFileOutput({ filepath, output });
const s3 = (more) => ({ case: 's3', value: new S3Upload({ accessKey: store.accessKey, secret: store.secret, bucket: 'requested', endpoint: store.url, ...more }) });
const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

async function microphoneOf(call) {
  const ana = await call.browser('ana');
  await ana.publishMicrophone();
  const { tracks: [track] } = await waitFor('the track to be listed', async () => {
    const info = await call.api.getParticipant(call.room, 'ana');
    return info.tracks.length === 1 && info;
  });
  return track.sid;
}

async function plays(path) {
  const { stdout, stderr } = await promisify(execFile)('ffprobe', ['-v', 'error', '-count_frames', '-show_entries', 'format=duration', '-of', 'json', path]);
  assert.equal(stderr, '', `ffprobe complains of ${basename(path)}`);
  return Number(JSON.parse(stdout).format.duration);
}

/** The events of one recording, in order, each once, when it has ended. */
function storyOf(call, id) {
  return waitFor(`the end of ${id}`, () => {
    const told = call.sink.accepted().filter((a) => a.event?.egressInfo?.egressId === id).map((a) => a.event);
    const story = [...new Map(told.map((event) => [event.id, event])).values()]; // after a crash one may come again
    return story.at(-1)?.event === 'egress_ended' && story;
  }, 30_000);
}

async function record(call, output, ms = 1500) {
  const egress = egressOf(call);
  const { egressId } = await egress.startTrackEgress(call.room, output, await microphoneOf(call));
  await waitFor('the recording to be active', async () => (await egress.listEgress({ egressId }))[0].status === EgressStatus.EGRESS_ACTIVE);
  await pause(ms);
  return egressId;
}

stage.test('a recording goes into the store that its request names, and no secret anywhere', async (call) => {
  const egress = egressOf(call);
  const id = await record(call, file('{room_name}/{track_id}', s3({ metadata: { call: '7' } })));
  await egress.stopEgress(id);
  const { egressInfo } = (await storyOf(call, id)).at(-1);
  assert.equal(egressInfo.status, EgressStatus.EGRESS_COMPLETE, egressInfo.error);
  const { fileResults: [{ location, filename }], manifestLocation, backupStorageUsed } = egressInfo;
  assert.ok(location.startsWith(`${store.url}/requested/calls/`) && location.endsWith(filename), location);
  assert.equal(backupStorageUsed, false);
  const at = store.at('requested', decodeURIComponent(new URL(location).pathname.slice('/requested/'.length)));
  assert.ok(await plays(at) > 1);
  const manifest = JSON.parse(await readFile(store.at('requested', decodeURIComponent(new URL(manifestLocation).pathname.slice('/requested/'.length))), 'utf8'));
  assert.equal(manifest.files[0].location, location);
  await waitFor('what is uploaded to be removed here', () => !existsSync(join(directory, call.room)) || !existsSync(join(directory, call.room, filename)));

  const told = JSON.stringify(call.sink.attempts.map((a) => [a.event, a.body, a.headers]), (_, v) => (typeof v === 'bigint' ? String(v) : v))
    + JSON.stringify((await egress.listEgress({ egressId: id })).map((i) => i.toJson()))
    + call.server.log();
  assert.ok(told.includes('{secret}'), 'the request is in the event, with a word for its secret');
  for (const secret of [store.secret, store.accessKey]) assert.ok(!told.includes(secret), 'a secret is told');
});

stage.test('a store that is down costs nothing, also when the server is killed meanwhile', async (call) => {
  const egress = egressOf(call);
  const id = await record(call, file('down/{track_id}'));
  await store.end();
  await egress.stopEgress(id);
  await waitFor('the recording to be on its way', async () => (await egress.listEgress({ egressId: id }))[0].status === EgressStatus.EGRESS_ENDING);
  await waitFor('a try to send it', () => new RegExp(`file of a recording sent.*${id}.*refused|${id}.*connection refused`).test(call.server.log()));
  await call.server.end('SIGKILL');
  await call.server.run();
  const story = await storyOf(call, id);
  assert.deepEqual(story.map((e) => [e.event, e.egressInfo.status]), [
    ['egress_started', EgressStatus.EGRESS_STARTING],
    ['egress_updated', EgressStatus.EGRESS_ACTIVE],
    ['egress_updated', EgressStatus.EGRESS_ENDING],
    ['egress_ended', EgressStatus.EGRESS_COMPLETE],
  ]);
  const { egressInfo } = story.at(-1);
  assert.deepEqual([egressInfo.status, egressInfo.backupStorageUsed], [EgressStatus.EGRESS_COMPLETE, true]);
  const { location } = egressInfo.fileResults[0];
  assert.ok(location.startsWith(join(directory, 'down')), location);
  await call.server.end('SIGKILL');
  await store.run();
  await call.server.run();
  const sent = store.at('recordings', `calls/down/${basename(location)}`);
  await waitFor('the file to be in the store', () => existsSync(sent));
  assert.ok(await plays(sent) > 1);
  assert.ok(await plays(location) > 1, 'what was said to be here stays');
  assert.equal((await storyOf(call, id)).filter((e) => e.event === 'egress_ended').length, 1);
});

stage.test('what a dead server left goes into the store', async (call) => {
  const id = await record(call, file('killed/{track_id}'), 2000);
  await call.server.end('SIGKILL');
  await call.server.run();
  const { egressInfo } = (await storyOf(call, id)).at(-1);
  assert.equal(egressInfo.status, EgressStatus.EGRESS_FAILED);
  assert.match(egressInfo.error, /the server ended while it recorded; \d+\.\d s were saved$/);
  const { location, filename } = egressInfo.fileResults[0];
  assert.equal(location, `${store.url}/recordings/calls/killed/${filename}`);
  assert.ok(await plays(store.at('recordings', `calls/killed/${filename}`)) > 1);
});

stage.test('a store that cannot be is refused, one that refuses is named', async (call) => {
  const egress = egressOf(call);
  const track = await microphoneOf(call);
  const refused = (output, code, words) => assert.rejects(egress.startTrackEgress(call.room, file('a', output), track), (error) => {
    assert.equal(error.code, code, error.message);
    assert.match(error.message, words);
    assert.ok(!error.message.includes(store.secret), error.message);
    return true;
  });
  await refused(s3({ bucket: '' }), 'invalid_argument', /s3\.bucket/);
  await refused(s3({ secret: '' }), 'invalid_argument', /s3\.access_key/);
  await refused(s3({ endpoint: 'http://169.254.169.254' }), 'invalid_argument', /metadata/);
  await refused(s3({ endpoint: 'http://10.0.0.1' }), 'invalid_argument', /private/);
  await refused(s3({ assumeRoleArn: 'arn:aws:iam::1:role/x' }), 'unimplemented', /assume_role/);
  await refused({ case: 'gcp', value: new GCPUpload({ bucket: 'bucket', credentials: '{}' }) }, 'invalid_argument', /gcp\.credentials/);
  await refused({ case: 'azure', value: new AzureBlobUpload({ accountName: 'acct', accountKey: '?', containerName: 'name' }) }, 'invalid_argument', /azure\.account_key/);
  await refused({ case: 'aliOSS', value: new AliOSSUpload({ bucket: 'bucket' }) }, 'unimplemented', /aliOSS/);

  const { egressId } = await egress.startTrackEgress(call.room, file('refused/{track_id}', s3({ secret: 'wrongSecretOfSomebody' })), track);
  await waitFor('the recording to be active', async () => (await egress.listEgress({ egressId }))[0].status === EgressStatus.EGRESS_ACTIVE);
  await pause(1000);
  await egress.stopEgress(egressId);
  const { egressInfo } = (await storyOf(call, egressId)).at(-1);
  assert.deepEqual([egressInfo.status, egressInfo.errorCode], [EgressStatus.EGRESS_FAILED, 400]);
  assert.match(egressInfo.error, /^upload: the store refused: .*SignatureDoesNotMatch.* kept on the server$/);
  assert.ok(await plays(egressInfo.fileResults[0].location) > 0.5, 'and it is not lost');
  assert.ok(!JSON.stringify(egressInfo.toJson()).includes('wrongSecret') && !call.server.log().includes('wrongSecret'));
});

const segments = (filenamePrefix, more) => ({ segments: new SegmentedFileOutput({ filenamePrefix, segmentDuration: 1, livePlaylistName: 'live.m3u8', ...more }) });

/** What a playlist of the store names, each of which is there. */
async function listed(name) {
  const at = store.at('recordings', `calls/${name}`);
  const list = await readFile(at, 'utf8').catch(() => '');
  const named = [...list.matchAll(/^#EXT-X-MAP:URI="(.*)"$|^([^#\n].*)$/gm)].map((m) => m[1] ?? m[2]);
  for (const one of named) assert.ok(existsSync(join(dirname(at), one)), `${name} names ${one}, which is not in the store`);
  return { at, list, segments: named.filter((one) => one.endsWith('.m4s') || one.endsWith('.ts')) };
}

stage.test('segments can be watched in the store while they come, and a crash loses none that was', async (call) => {
  const egress = egressOf(call);
  await microphoneOf(call);
  const { egressId } = await egress.startParticipantEgress(call.room, 'ana', segments('live/part'));
  const seen = await waitFor('three segments to be listed in the store', async () => {
    const live = await listed('live/live.m3u8');
    return live.segments.length >= 3 && live;
  }, 30_000);
  assert.ok(!seen.list.includes('ENDLIST'));
  const copy = seen.at.replace('live.m3u8', 'so-far.m3u8'); // one that ends, or it would be waited for more
  await writeFile(copy, `${seen.list}#EXT-X-ENDLIST\n`);
  assert.ok(await plays(copy) > 2, 'what is listed plays');
  const [running] = await egress.listEgress({ egressId });
  const [{ livePlaylistLocation, playlistLocation, segmentCount }] = running.segmentResults;
  assert.equal(livePlaylistLocation, `${store.url}/recordings/calls/live/live.m3u8`, 'it is said where');
  assert.ok(Number(segmentCount) >= 3 && playlistLocation.startsWith(store.url), JSON.stringify(running.toJson()));
  assert.ok(existsSync(join(directory, 'live/part_00000.m4s')), 'nothing is removed while it is recorded');
  await call.server.end('SIGKILL');
  await call.server.run();
  const story = await storyOf(call, egressId);
  const { egressInfo } = story.at(-1);
  assert.equal(story.filter((e) => e.event === 'egress_ended').length, 1);
  assert.deepEqual([egressInfo.status, egressInfo.backupStorageUsed], [EgressStatus.EGRESS_FAILED, false], egressInfo.error);
  const [result] = egressInfo.segmentResults;
  assert.ok(result.playlistLocation.startsWith(`${store.url}/recordings/calls/live/`), result.playlistLocation);
  const whole = await listed(`live/${basename(result.playlistLocation)}`);
  assert.equal(whole.segments.length, Number(result.segmentCount));
  assert.ok(whole.list.endsWith('#EXT-X-ENDLIST\n') && seen.segments.every((one) => whole.segments.includes(one)), whole.list);
  assert.ok(Math.abs(await plays(whole.at) - Number(result.duration) / 1e9) < 0.3);
  await waitFor('what is uploaded to be removed here', async () => (await readdir(join(directory, 'live'))).length === 0);
});

stage.test('images and segments go into the store as they are made, and the manifest says where', async (call) => {
  const egress = egressOf(call);
  const ana = await call.browser('ana');
  await ana.publishCamera();
  const image = { filenamePrefix: 'seen/image', captureInterval: 1, filenameSuffix: ImageFileSuffix.IMAGE_SUFFIX_TIMESTAMP };
  const { egressId } = await egress.startRoomCompositeEgress(call.room, {
    images: new ImageOutput(image), ...segments('seen/part', { livePlaylistName: '', filenamePrefix: 'seen/part' }),
  }, { encodingOptions: new EncodingOptions({ width: 320, height: 180, framerate: 10, keyFrameInterval: 1 }), videoOnly: true });
  const stored = async (pattern) => (await readdir(store.at('recordings', 'calls/seen')).catch(() => [])).filter((name) => pattern.test(name));
  await waitFor('two images and a segment to be in the store', async () => (await stored(/\.jpeg$/)).length >= 2 && (await stored(/\.ts$/)).length >= 1, 30_000);
  const [running] = await egress.listEgress({ egressId });
  assert.ok(running.status === EgressStatus.EGRESS_ACTIVE && Number(running.imageResults[0].imageCount) >= 2);
  await egress.stopEgress(egressId);
  const { egressInfo } = (await storyOf(call, egressId)).at(-1);
  assert.equal(egressInfo.status, EgressStatus.EGRESS_COMPLETE, egressInfo.error);
  const at = (location) => store.at('recordings', decodeURIComponent(new URL(location).pathname.slice('/recordings/'.length)));
  const manifest = JSON.parse(await readFile(at(egressInfo.manifestLocation), 'utf8'));
  assert.deepEqual([manifest.egress_id, manifest.room_name], [egressId, call.room]);
  assert.equal(manifest.images.length, Number(egressInfo.imageResults[0].imageCount));
  assert.equal(manifest.playlists[0].segments.length, Number(egressInfo.segmentResults[0].segmentCount));
  for (const { filename, location } of [...manifest.images, ...manifest.playlists[0].segments]) {
    assert.ok(location.startsWith(`${store.url}/recordings/calls/seen/`) && location.endsWith(filename), location);
    assert.ok(existsSync(at(location)), `${location} is not there`);
  }
  assert.equal(manifest.playlists[0].location, egressInfo.segmentResults[0].playlistLocation);
  const { stdout } = await promisify(execFile)('ffprobe', ['-v', 'error', '-show_entries', 'stream=codec_name,width', '-of', 'csv=p=0', at(manifest.images[0].location)]);
  assert.equal(stdout.trim(), 'mjpeg,320');
  assert.ok(await plays(at(manifest.playlists[0].location)) > 1);
});
