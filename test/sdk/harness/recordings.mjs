// What the tests of recordings have in common: who asks for them, and what is in
// the files.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after } from 'node:test';
import { promisify } from 'node:util';
import { EgressStatus } from '@livekit/protocol';
import { EgressClient } from 'livekit-server-sdk';
import { apiKey, apiSecret } from './tokens.mjs';
import { waitFor } from './wait.mjs';

/** A directory for recordings that goes with the test file. */
export function recordings() {
  const directory = mkdtempSync(join(tmpdir(), 'rollcall-egress-'));
  after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export const egressOf = (call) => new EgressClient(call.server.url, apiKey, apiSecret);

export const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

/** The tracks that somebody publishes, by kind: the sids. */
export async function tracksOf(call, identity, count) {
  const { tracks } = await waitFor('the tracks to be listed', async () => {
    const info = await call.api.getParticipant(call.room, identity);
    return info.tracks.length === count && info;
  });
  return Object.fromEntries(tracks.map((t) => [t.type === 0 ? 'audio' : 'video', t.sid]));
}

/** What ffprobe says of a file, all of which it decodes without a complaint: its streams by their codecs, and its length. */
export async function streamsOf(path) {
  const { stdout, stderr } = await promisify(execFile)('ffprobe', [
    '-v', 'error', '-count_frames', '-show_entries', 'stream=codec_name,nb_read_frames,width,channels:format=duration', '-of', 'json', path]);
  assert.equal(stderr, '', `ffprobe complains of ${basename(path)}`);
  const { streams, format } = JSON.parse(stdout);
  const found = { seconds: Number(format.duration) };
  for (const s of streams) found[s.codec_name] = { frames: Number(s.nb_read_frames), width: s.width, channels: s.channels };
  return found;
}

/** No segment of a list plays longer than the list promises (RFC 8216, section 4.3.3.1): so many seconds, if that is given. */
export async function keepsItsPromise(path, promised) {
  const list = await readFile(path, 'utf8');
  const longest = Number(/#EXT-X-TARGETDURATION:(\d+)\n/.exec(list)[1]);
  const plays = [...list.matchAll(/#EXTINF:([\d.]+),/g)].map((m) => Number(m[1]));
  assert.equal(longest, promised ?? longest);
  assert.ok(plays.length > 0 && Math.round(Math.max(...plays)) <= longest, list);
}

/** The events of one recording, in order, once it has ended. */
export function storyOf(call, id) {
  return waitFor(`the end of ${id}`, () => {
    const story = call.sink.accepted().filter((a) => a.path === '/hook' && a.event?.egressInfo?.egressId === id).map((a) => a.event);
    return story.at(-1)?.event === 'egress_ended' && story;
  }, 40_000);
}

export async function active(call, id) {
  return waitFor('the recording to be active', async () =>
    (await egressOf(call).listEgress({ egressId: id }))[0].status === EgressStatus.EGRESS_ACTIVE, 60_000);
}

/** Stops a recording and returns its EgressInfo at the end. */
export async function stopped(call, id) {
  await egressOf(call).stopEgress(id);
  const { egressInfo } = (await storyOf(call, id)).at(-1);
  assert.equal(egressInfo.status, EgressStatus.EGRESS_COMPLETE, egressInfo.error);
  return egressInfo;
}
