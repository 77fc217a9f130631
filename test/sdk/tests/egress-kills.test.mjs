// Server, workers or both are killed at random moments, while recordings of all kinds
// run: each file decodes whole, misses no more than the last moment, and its end is
// told once. So it is when a program is killed that a worker has started.
// ROLLCALL_EGRESS_KILLS is how many recordings are killed at least, and has rooms in a
// layout and web pages be among them (make egress-kills). ROLLCALL_EGRESS_COPIES is how
// many of each kind run at once, but for rooms in a layout and pages, of which one does.
// ROLLCALL_EGRESS_ONLY is what the names of kinds begin with that are killed, in every
// round then.

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { after, before } from 'node:test';
import { AudioMixing, DirectFileOutput, EgressStatus, EncodedFileOutput, EncodingOptions, SegmentedFileOutput } from '@livekit/protocol';
import { serveClapper } from '../harness/clapper.mjs';
import { active, egressOf, pause, recordings, stopped, storyOf, streamsOf } from '../harness/recordings.mjs';
import { scene } from '../harness/scene.mjs';
import { waitFor } from '../harness/wait.mjs';

const only = process.env.ROLLCALL_EGRESS_ONLY;
const wanted = Number(process.env.ROLLCALL_EGRESS_KILLS ?? 20);
const copies = Number(process.env.ROLLCALL_EGRESS_COPIES ?? 1);
assert.ok(Number.isInteger(copies) && copies > 0, `ROLLCALL_EGRESS_COPIES=${process.env.ROLLCALL_EGRESS_COPIES}: want a number of recordings`);
const stage = scene({
  config: { egress: { directory: recordings(), max_cpu: 0 }, webhook: { allow_networks: ['127.0.0.0/8'] } }, timeout: 60_000 + wanted * 10_000,
});

/**
 * How much may be missing, in seconds: of the worst, on a machine that does nothing
 * else. One that tests much else writes some late by seconds; there it is the median.
 */
const loss = process.env.ROLLCALL_EGRESS_KILLS ? 0.5 : 2;

/** Each process: its id, that of its parent, and its command line. */
async function processes() {
  const found = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const [line, stat] = await Promise.all(['cmdline', 'stat'].map((file) => readFile(`/proc/${entry}/${file}`, 'utf8').catch(() => '')));
    // The name of the program is in parentheses, and may hold any.
    if (line) found.push({ pid: Number(entry), parent: Number(stat.slice(stat.lastIndexOf(')')).split(' ')[2]), words: line.split('\0') });
  }
  return found;
}

/** The workers of recordings. */
const workers = async (ids) => (await processes()).filter((p) => ids.some((id) => p.words.includes(id))).map((p) => p.pid);

/** What the worker of a recording has started. */
async function childrenOf(id) {
  const all = await processes();
  const worker = all.find((p) => p.words.includes(id) && p.words.includes('egress-worker'));
  return all.filter((p) => p.parent === worker?.pid);
}

let clapper;
before(async () => { clapper = await serveClapper(); });
after(() => clapper?.close());

const small = new EncodingOptions({ width: 640, height: 360, framerate: 24, videoBitrate: 800 });

const kinds = [
  ['track', (e, room, { audio }, n) => e.startTrackEgress(room, new DirectFileOutput({ filepath: `track-${n}` }), audio)],
  ['composite', (e, room, { audio, video }, n) => e.startTrackCompositeEgress(room, { file: new EncodedFileOutput({ filepath: `composite-${n}` }) }, { audioTrackId: audio, videoTrackId: video })],
  ['segments', (e, room, _, n) => e.startParticipantEgress(room, 'ana', { segments: new SegmentedFileOutput({ filenamePrefix: `hls-${n}/s`, segmentDuration: 1 }) })],
  ['mix', (e, room, _, n) => e.startRoomCompositeEgress(room, { file: new EncodedFileOutput({ filepath: `mix-${n}` }) }, { audioOnly: true, audioMixing: AudioMixing.DUAL_CHANNEL_ALTERNATE })],
];

/** Those that take processors: they are among the others in every fourth round of a long run. */
const dear = [
  ['room', (e, room, _, n) => e.startRoomCompositeEgress(room, { file: new EncodedFileOutput({ filepath: `room-${n}` }) }, { encodingOptions: small })],
  ['room in segments', (e, room, _, n) => e.startRoomCompositeEgress(room, { segments: new SegmentedFileOutput({ filenamePrefix: `ts-${n}/s`, segmentDuration: 1 }) }, { encodingOptions: small })],
  ['page', (e, room, _, n) => e.startWebEgress(clapper.url, { file: new EncodedFileOutput({ filepath: `page-${n}.mp4` }) }, { encodingOptions: small })],
];

const chosen = ([kind]) => !only || kind.startsWith(only);

/** The ids of the ends among events. A server that is killed before it has noted a delivery delivers again, under the same id. */
const ends = (events) => new Set(events.filter((e) => e.event === 'egress_ended').map((e) => e.id));

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
    const cheap = kinds.filter(chosen).flatMap(([kind, start]) => Array.from({ length: copies }, (_, n) => [kind, start, `${round}-${n}`]));
    const all = only || process.env.ROLLCALL_EGRESS_KILLS && round % 4 === 3;
    const asked = [...cheap, ...(all ? dear.filter(chosen).map(([kind, start]) => [kind, start, round]) : [])];
    const jobs = await Promise.all(asked.map(async ([kind, start, n]) => ({ kind, id: (await start(egressOf(call), call.room, tracks, n)).egressId })));
    for (const { id } of jobs) await active(call, id);
    await pause(700 + Math.random() * 2000);
    const whom = ['workers', 'server', 'both'][round % 3];
    const victims = whom === 'server' ? [] : await workers(jobs.map((j) => j.id));
    const at = Date.now();
    for (const pid of victims) process.kill(pid, 'SIGKILL');
    if (whom !== 'workers') {
      await call.server.end('SIGKILL');
      await call.server.run();
    }
    for (const { kind, id } of jobs) {
      const story = await storyOf(call, id);
      assert.equal(ends(story).size, 1, `${kind}: one end`);
      const { egressInfo } = story.at(-1);
      assert.equal(egressInfo.status, EgressStatus.EGRESS_FAILED, `${kind} of ${whom}: ${egressInfo.error}`);
      const [result] = egressInfo.fileResults.length ? egressInfo.fileResults : egressInfo.segmentResults;
      const seen = await streamsOf(result.location ?? result.playlistLocation);
      const lost = at / 1000 - Number(result.startedAt) / 1e9 - seen.seconds;
      missing.push([Math.round(lost * 1000), kind, whom]);
      if (process.env.ROLLCALL_EGRESS_KILLS) console.log(`${kind}, ${whom} killed: ${Math.round(lost * 1000)} ms are missing of ${seen.seconds.toFixed(1)} s`);
      killed++;
    }
  }
  await pause(500);
  const told = call.sink.accepted().map((a) => a.event).filter((e) => e?.event === 'egress_ended');
  assert.equal(ends(told).size, new Set(told.map((e) => e.egressInfo.egressId)).size, 'nobody is told of two ends');
  missing.sort(([a], [b]) => a - b);
  console.log(`of ${missing.length} recordings were missing, in ms: ${missing.map(([ms]) => ms).join(' ')}`);
  for (const [name] of [...kinds, ...dear]) {
    const of = missing.filter(([, kind]) => kind === name).map(([ms]) => ms);
    if (of.length) console.log(`${name}: ${of.length} killed, missing ${of[of.length >> 1]} ms in the median, ${of.at(-1)} at most`);
  }
  const worst = missing.at(process.env.ROLLCALL_EGRESS_KILLS ? -1 : missing.length >> 1);
  assert.ok(worst[0] <= loss * 1000, `${worst[0]} ms of ${worst[1]} are missing after a kill of ${worst[2]}`);
});

/** The end of a recording, which was told once. */
async function endOf(call, id) {
  const story = await storyOf(call, id);
  assert.equal(ends(story).size, 1);
  return story.at(-1).egressInfo;
}

stage.test('an encoder that is killed fails its recording, which is kept; a decoder is replaced', async (call) => {
  const ana = await call.browser('ana');
  await ana.publishCamera();
  await ana.publishMicrophone();
  const begin = async (name) => {
    const { egressId } = await egressOf(call).startRoomCompositeEgress(call.room, {
      file: new EncodedFileOutput({ filepath: name }), segments: new SegmentedFileOutput({ filenamePrefix: `${name}/s`, segmentDuration: 1 }),
    }, { encodingOptions: small });
    await active(call, egressId);
    await pause(2500);
    const children = await childrenOf(egressId);
    const encoder = children.find((p) => p.words.includes('libx264'));
    const decoder = children.find((p) => p.words.includes('ivf')); // what it reads
    assert.ok(encoder && decoder, JSON.stringify(children));
    return { egressId, encoder, decoder };
  };
  const lost = await begin('lost');
  process.kill(lost.encoder.pid, 'SIGKILL');
  const failed = await endOf(call, lost.egressId);
  assert.equal(failed.status, EgressStatus.EGRESS_FAILED);
  assert.match(failed.error, /encoder/);
  assert.ok((await streamsOf(failed.fileResults[0].location)).seconds > 1.5, failed.error);
  assert.ok((await streamsOf(failed.segmentResults[0].playlistLocation)).seconds > 1);
  assert.deepEqual(await childrenOf(lost.egressId), []);

  const kept = await begin('kept');
  process.kill(kept.decoder.pid, 'SIGKILL');
  await waitFor('another decoder', async () => (await childrenOf(kept.egressId)).some((p) => p.words.includes('ivf') && p.pid !== kept.decoder.pid));
  await pause(1000);
  const whole = await stopped(call, kept.egressId);
  assert.ok((await streamsOf(whole.fileResults[0].location)).seconds > 3.5);
});

stage.test('a page whose Chromium or worker is killed is kept, and leaves no process', async (call) => {
  for (const whom of ['Chromium', 'worker']) {
    const { egressId } = await egressOf(call).startWebEgress(clapper.url, { file: new EncodedFileOutput({ filepath: `${whom}.mp4` }) }, { encodingOptions: small });
    await active(call, egressId);
    await pause(2500);
    const [chromium] = await childrenOf(egressId);
    const [worker] = await workers([egressId]);
    const began = (await processes()).filter((p) => p.words.some((w) => w.includes(egressId))).map((p) => p.pid);
    process.kill(whom === 'worker' ? worker : chromium.pid, 'SIGKILL');
    const info = await endOf(call, egressId);
    assert.equal(info.status, EgressStatus.EGRESS_FAILED, whom);
    assert.ok((await streamsOf(info.fileResults[0].location)).seconds > 1, `${whom}: ${info.error}`);
    await waitFor('all its processes to be gone', async () => !(await processes()).some((p) => began.includes(p.pid)));
  }
});
