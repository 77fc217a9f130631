// Server, workers or both are killed at random moments, while recordings of all kinds
// run: each file decodes whole, misses no more than the last moment, and its end is
// told once. ROLLCALL_EGRESS_KILLS is how many recordings are killed at least.

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { AudioMixing, DirectFileOutput, EgressStatus, EncodedFileOutput, SegmentedFileOutput } from '@livekit/protocol';
import { active, egressOf, pause, recordings, storyOf, streamsOf } from '../harness/recordings.mjs';
import { scene } from '../harness/scene.mjs';
import { waitFor } from '../harness/wait.mjs';

const wanted = Number(process.env.ROLLCALL_EGRESS_KILLS ?? 20);
const stage = scene({
  config: { egress: { directory: recordings(), max_cpu: 0 }, webhook: { allow_networks: ['127.0.0.0/8'] } }, timeout: 60_000 + wanted * 10_000,
});

/** How much may be missing, in seconds. A machine that tests much else writes later. */
const loss = process.env.ROLLCALL_EGRESS_KILLS ? 0.5 : 2;

async function workers(ids) {
  const found = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const words = (await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (ids.some((id) => words.includes(id))) found.push(Number(entry));
  }
  return found;
}

const kinds = [
  ['track', (e, room, { audio }, n) => e.startTrackEgress(room, new DirectFileOutput({ filepath: `track-${n}` }), audio)],
  ['composite', (e, room, { audio, video }, n) => e.startTrackCompositeEgress(room, { file: new EncodedFileOutput({ filepath: `composite-${n}` }) }, { audioTrackId: audio, videoTrackId: video })],
  ['segments', (e, room, _, n) => e.startParticipantEgress(room, 'ana', { segments: new SegmentedFileOutput({ filenamePrefix: `hls-${n}/s`, segmentDuration: 1 }) })],
  ['mix', (e, room, _, n) => e.startRoomCompositeEgress(room, { file: new EncodedFileOutput({ filepath: `mix-${n}` }) }, { audioOnly: true, audioMixing: AudioMixing.DUAL_CHANNEL_ALTERNATE })],
];

stage.test('whatever is killed whenever, what was recorded is there, and its end is told once', async (call) => {
  const ana = await call.browser('ana');
  await ana.publishCamera({ codec: 'h264' });
  await ana.publishMicrophone();
  const missing = [];
  for (let round = 0, killed = 0; killed < wanted; round++) {
    const tracks = await waitFor('ana to publish', async () => {
      const info = await call.api.getParticipant(call.room, 'ana').catch(() => undefined);
      return info?.tracks.length === 2 && Object.fromEntries(info.tracks.map((t) => [t.type === 0 ? 'audio' : 'video', t.sid]));
    }, 30_000);
    const jobs = await Promise.all(kinds.map(async ([kind, start]) => ({ kind, id: (await start(egressOf(call), call.room, tracks, round)).egressId })));
    for (const { id } of jobs) await active(call, id);
    await pause(700 + Math.random() * 2000);
    const whom = ['workers', 'server', 'both'][round % 3];
    const processes = whom === 'server' ? [] : await workers(jobs.map((j) => j.id));
    const at = Date.now();
    for (const pid of processes) process.kill(pid, 'SIGKILL');
    if (whom !== 'workers') {
      await call.server.end('SIGKILL');
      await call.server.run();
    }
    for (const { kind, id } of jobs) {
      const story = await storyOf(call, id);
      assert.equal(story.filter((e) => e.event === 'egress_ended').length, 1, `${kind}: one end`);
      const { egressInfo } = story.at(-1);
      assert.equal(egressInfo.status, EgressStatus.EGRESS_FAILED, `${kind} of ${whom}: ${egressInfo.error}`);
      const [result] = egressInfo.fileResults.length ? egressInfo.fileResults : egressInfo.segmentResults;
      const seen = await streamsOf(result.location ?? result.playlistLocation);
      const lost = at / 1000 - Number(result.startedAt) / 1e9 - seen.seconds;
      missing.push([Math.round(lost * 1000), kind, whom]);
      killed++;
    }
  }
  await pause(500);
  const ends = call.sink.accepted().filter((a) => a.event?.event === 'egress_ended').map((a) => a.event.egressInfo.egressId);
  assert.equal(new Set(ends).size, ends.length, 'nobody is told twice');
  missing.sort(([a], [b]) => a - b);
  console.log(`of ${missing.length} recordings were missing, in ms: ${missing.map(([ms]) => ms).join(' ')}`);
  const worst = missing.at(-1);
  assert.ok(worst[0] <= loss * 1000, `${worst[0]} ms of ${worst[1]} are missing after a kill of ${worst[2]}`);
});
