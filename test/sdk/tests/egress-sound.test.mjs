// Recordings of sound alone, driven by the server SDK: everybody in a room together,
// and the samples of one track for a WebSocket.

import assert from 'node:assert/strict';
import { AudioMixing, EgressStatus, EncodedFileOutput, SegmentedFileOutput } from '@livekit/protocol';
import { WebSocketServer } from 'ws';
import { active, egressOf, pause, recordings, stopped, streamsOf, tracksOf } from '../harness/recordings.mjs';
import { scene } from '../harness/scene.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene({ config: { egress: { directory: recordings() }, webhook: { allow_networks: ['127.0.0.0/8'] } } });

stage.test('everybody in a room is heard in one file, and in segments', async (call) => {
  const egress = egressOf(call);
  for (const identity of ['ana', 'bob']) {
    const guest = await call.browser(identity);
    await guest.publishMicrophone();
    await tracksOf(call, identity, 1);
  }
  const mixed = await egress.startRoomCompositeEgress(call.room, {
    file: new EncodedFileOutput({ filepath: 'everybody' }),
    segments: new SegmentedFileOutput({ filenamePrefix: 'heard/s', segmentDuration: 1 }),
  }, { audioOnly: true });
  const apart = await egress.startRoomCompositeEgress(call.room, { file: new EncodedFileOutput({ filepath: 'apart' }) }, {
    audioOnly: true, audioMixing: AudioMixing.DUAL_CHANNEL_ALTERNATE,
  });
  for (const { egressId } of [mixed, apart]) await active(call, egressId);
  await pause(2500);
  const { fileResults: [file], segmentResults: [segments] } = await stopped(call, mixed.egressId);
  assert.equal(file.filename, 'everybody.ogg');
  for (const location of [file.location, segments.playlistLocation]) {
    const seen = await streamsOf(location);
    assert.equal(seen.opus.channels, 2);
    assert.ok(seen.opus.frames > 90 && Math.abs(seen.opus.frames * 0.02 - seen.seconds) < 0.1, JSON.stringify(seen));
  }
  assert.ok(Number(segments.segmentCount) >= 2);
  const { fileResults: [two] } = await stopped(call, apart.egressId);
  assert.ok((await streamsOf(two.location)).opus.frames > 90);
});

stage.test('a WebSocket gets the samples of a track, and its mutes', async (call) => {
  const receiver = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  const got = { bytes: 0, texts: [], path: undefined, type: undefined, closed: undefined };
  receiver.on('connection', (socket, request) => {
    [got.path, got.type] = [request.url, request.headers['content-type']];
    socket.on('message', (data, binary) => {
      if (binary) got.bytes += data.length;
      else got.texts.push(JSON.parse(data.toString()));
    });
    socket.on('close', (code) => { got.closed = code; });
  });
  try {
    await waitFor('the receiver to listen', () => receiver.address());
    const ana = await call.browser('ana');
    await ana.publishMicrophone();
    const { audio } = await tracksOf(call, 'ana', 1);
    const url = `ws://127.0.0.1:${receiver.address().port}/in?token=secret`;
    const { egressId, request } = await egressOf(call).startTrackEgress(call.room, url, audio);
    assert.match(request.value.output.value, /\/in\?token=\{\.\.\.\}$/, 'secrets are not told');
    await active(call, egressId);
    await waitFor('a second of samples', () => got.bytes > 48000 * 2 * 2);
    assert.deepEqual([got.path, got.type], ['/in?token=secret', 'audio/x-raw;rate=48000']);
    await ana.setMuted('microphone', true);
    await waitFor('the mute', () => got.texts.length === 1);
    await ana.setMuted('microphone', false);
    await waitFor('its end', () => got.texts.length === 2);
    assert.deepEqual(got.texts, [{ muted: true }, { muted: false }]);
    const info = await stopped(call, egressId);
    assert.equal(info.status, EgressStatus.EGRESS_COMPLETE);
    assert.ok(Number(info.streamResults[0].duration) > 1e9);
    await waitFor('the goodbye', () => got.closed === 1000);
  } finally {
    receiver.close();
  }
});
