// Recordings of sound and pictures together, as they are, driven by the server SDK.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AudioConfig, AutoParticipantEgress, AutoTrackEgress, AudioRoute, EgressStatus, EncodedFileOutput, EncodedFileType, EncodingOptions, FileOutput, MediaSource, Output, ParticipantVideo, RoomCompositeEgressRequest, RoomEgress, SegmentedFileOutput,
  SegmentedFileSuffix, StartEgressRequest,
} from '@livekit/protocol';
import { AccessToken } from 'livekit-server-sdk';
import { clapsOf, offsetsOf } from '../harness/clapper.mjs';
import { active, egressOf, pause, recordings, storyOf, stopped, streamsOf, tracksOf } from '../harness/recordings.mjs';
import { scene } from '../harness/scene.mjs';
import { apiKey, apiSecret } from '../harness/tokens.mjs';
import { waitFor } from '../harness/wait.mjs';

const directory = recordings();
const stage = scene({ config: {
  egress: { directory }, webhook: { allow_networks: ['127.0.0.0/8'] },
  room: { room_configurations: { recorded: { egress: { tracks: { filepath: 'preset/{publisher_identity}', disable_manifest: true } } } } },
} });

const file = (filepath, more = {}) => ({ file: new EncodedFileOutput({ filepath, ...more }) });

stage.test('a participant is recorded through mutes, layers and a reconnect', async (call) => {
  const ana = await call.browser('ana');
  await ana.publishCamera();
  await ana.publishMicrophone();
  await tracksOf(call, 'ana', 2);
  const { egressId, fileResults } = await egressOf(call).startParticipantEgress(call.room, 'ana', file('{room_name}/{publisher_identity}'));
  assert.equal(fileResults[0].filename, 'ana.webm');
  await active(call, egressId);
  assert.equal((await call.api.listRooms([call.room]))[0].activeRecording, true);
  await pause(1500);
  await ana.setMuted('microphone', true);
  await pause(1500);
  await ana.setMuted('microphone', false);
  await pause(500);
  const before = Object.values(await tracksOf(call, 'ana', 2));
  await ana.simulate('full-reconnect');
  await waitFor('the tracks to be published anew', async () => {
    const now = await call.api.getParticipant(call.room, 'ana').then((p) => p.tracks, () => []);
    return now.length === 2 && now.every((t) => !before.includes(t.sid));
  }, 20_000);
  await pause(2000);
  const info = await stopped(call, egressId);
  assert.equal(info.fileResults.length, 1, 'one file');
  const [result] = info.fileResults;
  const seen = await streamsOf(result.location);
  assert.ok(seen.seconds > 5, `it plays ${seen.seconds} s`);
  assert.ok(seen.vp8.frames >= 40, JSON.stringify(seen));
  // Sound is there all the time, or silence in its place.
  assert.ok(Math.abs(seen.opus.frames * 0.02 - seen.seconds) < 0.5, JSON.stringify(seen));
  const manifest = JSON.parse(await readFile(info.manifestLocation, 'utf8'));
  assert.equal(manifest.publisher_identity, 'ana');
  assert.ok(manifest.silence_ms > 0, 'the reconnect is told');
});

stage.test('two tracks are recorded together, in MP4 where their codecs are kept so', async (call) => {
  const ana = await call.browser('ana');
  await ana.publishCamera({ codec: 'h264' });
  await ana.publishMicrophone();
  const { audio, video } = await tracksOf(call, 'ana', 2);
  const egress = egressOf(call);
  const one = await egress.startTrackCompositeEgress(call.room, file('composite.webm'), { audioTrackId: audio, videoTrackId: video });
  const two = await egress.startEgress(new StartEgressRequest({
    roomName: call.room,
    source: { case: 'media', value: new MediaSource({
      video: { case: 'participantVideo', value: new ParticipantVideo({ identity: 'ana' }) },
      audio: new AudioConfig({ routes: [new AudioRoute({ match: { case: 'participantIdentity', value: 'ana' } })] }),
    }) },
    outputs: [new Output({ config: { case: 'file', value: new FileOutput({ filepath: 'media' }) } })],
  }));
  assert.equal(two.request.case, 'egress');
  await active(call, one.egressId);
  await active(call, two.egressId);
  await pause(2500);
  for (const { egressId } of [one, two]) {
    const { fileResults: [result] } = await stopped(call, egressId);
    assert.match(result.filename, /^(composite|media)\.mp4$/);
    const seen = await streamsOf(result.location);
    assert.ok(seen.h264?.frames >= 20 && seen.opus?.frames >= 100, JSON.stringify(seen));
    assert.ok(Math.abs(seen.seconds - Number(result.duration) / 1e9) < 0.3);
  }
});

stage.test('segments and their lists are as they are asked for, and play while they grow', async (call) => {
  const ana = await call.browser('ana');
  await ana.publishCamera({ codec: 'h264' });
  await ana.publishMicrophone();
  await tracksOf(call, 'ana', 2);
  const { egressId, segmentResults: [planned] } = await egressOf(call).startParticipantEgress(call.room, 'ana', {
    segments: new SegmentedFileOutput({
      filenamePrefix: 'hls/{publisher_identity}', playlistName: 'all.m3u8', livePlaylistName: 'live.m3u8', segmentDuration: 1,
      filenameSuffix: SegmentedFileSuffix.INDEX,
    }),
  });
  assert.deepEqual([planned.playlistName, planned.livePlaylistName], ['all.m3u8', 'live.m3u8']);
  await active(call, egressId);
  await waitFor('two segments', async () => (await readFile(planned.playlistLocation, 'utf8')).split('.m4s').length > 2, 20_000);
  const early = join(directory, 'early.mp4');
  await writeFile(early, Buffer.concat(await Promise.all(['init.mp4', '00000.m4s'].map((part) => readFile(join(directory, `hls/ana_${part}`))))));
  assert.ok((await streamsOf(early)).h264.frames > 10, 'it plays while it grows');
  await pause(1000);
  const { segmentResults: [result], manifestLocation } = await stopped(call, egressId);
  const list = await readFile(result.playlistLocation, 'utf8');
  assert.match(list, /#EXT-X-PLAYLIST-TYPE:EVENT\n[^]*#EXTINF:[\d.]+,\nana_00000\.m4s\n[^]*#EXT-X-ENDLIST\n$/);
  assert.equal(list.split('#EXTINF').length - 1, Number(result.segmentCount));
  const seen = await streamsOf(result.playlistLocation);
  assert.ok(Math.abs(seen.seconds - Number(result.duration) / 1e9) < 0.3, `${seen.seconds} s, ${result.duration} ns are told`);
  assert.match(await readFile(result.livePlaylistLocation, 'utf8'), /ana_0000/);
  const { playlists: [{ segments }] } = JSON.parse(await readFile(manifestLocation, 'utf8'));
  assert.equal(segments.length, Number(result.segmentCount));
});

stage.test('somebody is waited for, and the recording ends when they leave', async (call) => {
  const host = await call.browser('host');
  const { egressId, status } = await egressOf(call).startParticipantEgress(call.room, 'late', file('late', { fileType: EncodedFileType.MP4 }));
  assert.equal(status, EgressStatus.EGRESS_STARTING);
  const late = await call.browser('late');
  await late.publishMicrophone();
  await active(call, egressId);
  await pause(1500);
  await late.leave();
  const { egressInfo } = (await storyOf(call, egressId)).at(-1);
  assert.deepEqual([egressInfo.status, egressInfo.details], [EgressStatus.EGRESS_COMPLETE, 'End reason: Source closed']);
  assert.equal(egressInfo.fileResults[0].filename, 'late.mp4', 'sound alone fits it too');
  assert.ok((await streamsOf(egressInfo.fileResults[0].location)).opus.frames > 40);
  await host.leave();
});

stage.test('tracks that are not there, or of another kind, are refused', async (call) => {
  const ana = await call.browser('ana');
  await ana.publishMicrophone();
  const { audio } = await tracksOf(call, 'ana', 1);
  const egress = egressOf(call);
  await assert.rejects(egress.startParticipantEgress('no such room', 'ana', file('a')), { code: 'not_found' });
  await assert.rejects(egress.startTrackCompositeEgress(call.room, file('a'), { audioTrackId: 'TR_none' }), { code: 'not_found' });
  await assert.rejects(egress.startTrackCompositeEgress(call.room, file('a'), { videoTrackId: audio }), { code: 'invalid_argument' });
  await assert.rejects(egress.startTrackCompositeEgress(call.room, file('a')), { code: 'invalid_argument' });
});

stage.test('a room records by itself what its configuration says', async (call) => {
  const room = `${call.room}-auto`;
  await call.api.createRoom({ name: room, egress: new RoomEgress({
    room: new RoomCompositeEgressRequest({ audioOnly: true, fileOutputs: [new EncodedFileOutput({ filepath: 'auto/room' })] }),
    participant: new AutoParticipantEgress({ fileOutputs: [new EncodedFileOutput({ filepath: 'auto/{publisher_identity}' })] }),
    tracks: new AutoTrackEgress({ filepath: 'auto/track', disableManifest: true }),
  }) });
  await assert.rejects(call.api.createRoom({ name: `${room}-bad`, egress: new RoomEgress({
    tracks: new AutoTrackEgress(), room: new RoomCompositeEgressRequest({ audioOnly: true }),
  }) }), { code: 'invalid_argument' });
  const ana = await call.guest(room, 'ana');
  const { sid } = await ana.publishMicrophone();
  const running = await waitFor('three recordings', async () => {
    const list = await egressOf(call).listEgress({ roomName: room, active: true });
    return list.length === 3 && list.every((i) => i.status === EgressStatus.EGRESS_ACTIVE) && list;
  }, 20_000);
  await pause(1500);
  await call.api.deleteRoom(room);
  const names = [];
  for (const { egressId } of running) {
    const { egressInfo } = (await storyOf(call, egressId)).at(-1);
    assert.deepEqual([egressInfo.status, egressInfo.details], [EgressStatus.EGRESS_COMPLETE, 'End reason: Source closed'], egressInfo.error);
    names.push(egressInfo.fileResults[0].filename);
    assert.ok((await streamsOf(egressInfo.fileResults[0].location)).opus.frames > 30);
  }
  assert.deepEqual(names.sort(), ['ana.ogg', 'room.ogg', `track-${sid}.ogg`].sort());
});

stage.test('a room records by itself what its preset says, unless the request says something else', async (call) => {
  const token = new AccessToken(apiKey, apiSecret, { identity: 'ana', ttl: 600 });
  token.roomPreset = 'recorded';
  token.addGrant({ room: call.room, roomJoin: true });
  const ana = await call.stranger('ana');
  await ana.join(call.server, await token.toJwt());
  const { sid } = await ana.publishMicrophone();
  const [{ egressId }] = await waitFor('a recording', async () => {
    const list = await egressOf(call).listEgress({ roomName: call.room, active: true });
    return list.length === 1 && list[0].status === EgressStatus.EGRESS_ACTIVE && list;
  }, 20_000);
  await pause(1000);
  const { fileResults: [{ filename, location }] } = await stopped(call, egressId);
  assert.equal(filename, `ana-${sid}.ogg`);
  assert.ok((await streamsOf(location)).opus.frames > 20);
  // What the request has goes before.
  const made = `${call.room}-own`;
  await call.api.createRoom({ name: made, roomPreset: 'recorded', egress: new RoomEgress({
    room: new RoomCompositeEgressRequest({ audioOnly: true, fileOutputs: [new EncodedFileOutput({ filepath: 'preset/own' })] }),
  }) });
  await waitFor('the room to be recorded as the request says', async () => {
    const list = await egressOf(call).listEgress({ roomName: made });
    return list.length === 1 && list[0].fileResults[0].filename === 'own.ogg';
  }, 20_000);
});

stage.test('what flashes and beeps in a browser is in step in recordings of it', async (call) => {
  const ana = await call.browser('ana');
  await ana.publishClapper();
  await tracksOf(call, 'ana', 2);
  const egress = egressOf(call);
  const recorded = await Promise.all([
    egress.startParticipantEgress(call.room, 'ana', file('step.webm')),
    egress.startRoomCompositeEgress(call.room, file('step.mp4'), { layout: 'grid', encodingOptions: new EncodingOptions({ width: 640, height: 360, framerate: 30, videoBitrate: 800 }) }),
  ]);
  for (const { egressId } of recorded) await active(call, egressId);
  const seconds = Number(process.env.ROLLCALL_FIGURES ?? 10);
  await pause(seconds * 1000);
  const all = [];
  for (const { egressId } of recorded) {
    const { fileResults: [{ location }] } = await stopped(call, egressId);
    const claps = await clapsOf(location);
    const offsets = offsetsOf(claps).map((offset) => offset * 1000);
    const half = offsets.length >> 1, median = (of) => of.toSorted((a, b) => a - b)[of.length >> 1];
    assert.ok(offsets.length >= seconds / 2, `${location}: ${JSON.stringify(claps)}`);
    const told = { median: median(offsets), least: Math.min(...offsets), most: Math.max(...offsets), drift: median(offsets.slice(half)) - median(offsets.slice(0, half)) };
    console.log(`${location.split('/').at(-1)}: beep after flash, of ${offsets.length}, in ms: ${JSON.stringify(told)}`);
    // Chromium itself captures sound some 100 ms later than a canvas, and a machine that is busy
    // has it paint late: what it cannot bring about is a quarter of a second, or a recording that
    // is apart from the other.
    assert.ok(Math.abs(told.median) < 250, `${location}: ${JSON.stringify(told)}`);
    all.push(told.median);
  }
  assert.ok(Math.abs(all[0] - all[1]) < 80, `recordings of the same are ${all} ms out of step`);
});
