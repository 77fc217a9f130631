// Recordings that reach a limit of the server end by themselves, whole, and say so.

import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { EgressStatus, SegmentedFileOutput } from '@livekit/protocol';
import { DirectFileOutput } from 'livekit-server-sdk';
import { egressOf, recordings, storyOf, streamsOf, tracksOf } from '../harness/recordings.mjs';
import { scene } from '../harness/scene.mjs';

const limit = 40 * 1024;
const stage = scene({ config: { egress: {
  directory: recordings(), session_limits: { segment_output_max_duration: '3s', file_output_max_size: '40KiB' },
} } });

/** What is told of a recording that nobody ended. */
async function ended(call, egressId) {
  const story = await storyOf(call, egressId);
  const { egressInfo: info } = story.at(-1);
  assert.deepEqual(
    [info.status, info.details, info.error, info.errorCode],
    [EgressStatus.EGRESS_LIMIT_REACHED, 'End reason: Session limit reached', 'Session limit reached', 413],
  );
  assert.deepEqual(story.map((e) => e.event), ['egress_started', 'egress_updated', 'egress_ended']);
  const [listed] = await egressOf(call).listEgress({ egressId });
  assert.equal(listed.status, EgressStatus.EGRESS_LIMIT_REACHED, 'the API says the same');
  assert.deepEqual(await egressOf(call).listEgress({ egressId, active: true }), []);
  await assert.rejects(egressOf(call).stopEgress(egressId), { code: 'failed_precondition', message: /EGRESS_LIMIT_REACHED/ });
  return info;
}

stage.test('a recording ends when it is as long, or as large, as it may be', async (call) => {
  const ana = await call.browser('ana');
  await ana.publishMicrophone();
  await ana.publishCamera();
  const { video, audio } = await tracksOf(call, 'ana', 2);
  const egress = egressOf(call);
  const large = await egress.startTrackEgress(call.room, new DirectFileOutput({ filepath: '{room_name}/large' }), video);
  const long = await egress.startTrackCompositeEgress(call.room, {
    segments: new SegmentedFileOutput({ filenamePrefix: `${call.room}/part`, segmentDuration: 1 }),
  }, { audioTrackId: audio });

  const { segmentResults: [segments] } = await ended(call, long.egressId);
  const seconds = Number(segments.duration) / 1e9;
  assert.ok(seconds >= 2.5 && seconds < 15, `it is ${seconds} s long`); // it is looked once a second, on a machine that may be busy
  assert.match(await readFile(segments.playlistLocation, 'utf8'), /#EXT-X-ENDLIST\n$/);
  assert.ok(Math.abs((await streamsOf(segments.playlistLocation)).opus.frames * 0.02 - seconds) < 0.3);

  const { fileResults: [file], manifestLocation } = await ended(call, large.egressId);
  const { size } = await stat(file.location);
  assert.ok(size >= limit && size === Number(file.size), `it has ${size} bytes, and says ${file.size}`);
  assert.ok((await streamsOf(file.location)).vp8.frames > 1);
  const manifest = JSON.parse(await readFile(manifestLocation, 'utf8'));
  assert.deepEqual([manifest.egress_id, manifest.track_id, manifest.files], [large.egressId, video, [{ filename: file.filename, location: file.location }]]);
});
