// The dashboard's recordings: begun in a room, watched, downloaded and ended by an
// admin in a browser.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { Operator } from '../harness/operator.mjs';
import { scene } from '../harness/scene.mjs';
import { rawToken } from '../harness/tokens.mjs';
import { waitFor } from '../harness/wait.mjs';

const directory = mkdtempSync(join(tmpdir(), 'rollcall-egress-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const stage = scene({ config: { egress: { directory } } });
const admin = (grant = { admin: true, events: true, endpoints: true }) => rawToken({ rollcall: grant, name: 'Admin' });

async function operator(call, where, { token = admin(), ...options } = {}) {
  const who = await Operator.at(call, options);
  await who.open(`${where}#token=${token}`);
  return who;
}

stage.test('an admin records somebody, watches and downloads it', async (call) => {
  const who = await operator(call, '/recordings');
  await who.reads('empty', /Nothing was recorded in the last day/);

  const ana = await call.browser('ana');
  await ana.publishCamera();
  await ana.publishMicrophone();
  await who.open(`/rooms/${encodeURIComponent(call.room)}`);
  const row = who.find('person-row', { identity: 'ana' });
  await row.getByTestId('person-menu').or(row.getByRole('button', { name: /Actions for/ })).first().click();
  await who.page.getByRole('menuitem', { name: 'Record…' }).click();
  await who.see('record-participant');
  await who.find('record-path').fill('{room_name}/ana');
  await who.picture('recordings-dialog');
  await who.find('dialog-submit').click();

  await who.reads('recording-state', /recording/);
  await who.picture('recordings-live');
  await new Promise((done) => { setTimeout(done, 3000); });
  await who.find('recording-stop').click();
  await who.find('dialog-submit').click();
  await who.reads('recording-state', /complete/);

  // It plays, and the player may jump in it.
  await who.page.reload();
  await who.see('recording-player');
  const player = who.find('recording-player').first();
  await waitFor('the player to know the picture', async () => (await player.evaluate((video) => video.readyState)) >= 2);
  await player.evaluate(async (video) => { video.muted = true; await video.play(); });
  await waitFor('the player to play', async () => (await player.evaluate((video) => video.currentTime)) > 0.5);
  const { duration, width } = await player.evaluate((video) => ({ duration: video.duration, width: video.videoWidth }));
  assert.ok(duration > 2 && duration < 60 && width > 0, `it plays ${duration} s, ${width} wide`);
  await player.evaluate((video) => { video.currentTime = video.duration - 0.5; });
  await waitFor('the player to jump', async () => (await player.evaluate((video) => !video.seeking && video.currentTime)) > duration - 1);
  await who.picture('recordings-watch');

  const [download] = await Promise.all([who.page.waitForEvent('download'), who.find('recording-download').first().click()]);
  const saved = await readFile(await download.path());
  const name = download.suggestedFilename();
  assert.match(name, /^ana(-2)?\.(webm|mp4)$/);
  assert.equal(saved.length, (await stat(join(directory, call.room, name))).size);

  await who.open('/recordings');
  await who.see('recording-row', { status: 'EGRESS_COMPLETE' });
  await who.reads('recordings-sum', /nothing is recorded now, 1 in the last day/);
  await who.picture('recordings-list');

  // A phone, in the dark.
  const small = await operator(call, '/recordings', { viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
  await small.see('recording-row');
  await small.picture('recordings-phone');
  await small.find('recording-row').first().click();
  await small.see('recording-player');
  await small.picture('recordings-phone-watch');
  const wide = await small.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `the page is ${wide} pixels wider than the phone`);
  await small.leave();

  // Who only reads events sees why there is nothing.
  const reader = await operator(call, '/recordings', { token: admin({ events: true }) });
  await reader.reads('empty', /lacks the grant rollcall.admin/);
  await reader.leave();
  await who.leave();
});

stage.test('what cannot be recorded is shown with its reason', async (call) => {
  await call.browser('ana');
  const who = await operator(call, `/rooms/${encodeURIComponent(call.room)}`);
  await who.find('room-menu').first().click();
  await who.page.getByRole('menuitem', { name: 'Record…' }).click();
  await who.see('record-composite');
  const capabilities = await (await fetch(`${call.server.url}/capabilities`, { headers: { authorization: `Bearer ${admin()}` } })).json();
  for (const [id, name] of [['composite', 'room, composite'], ['sound', 'room, sound']]) {
    const { works } = capabilities.egress.find((one) => one.name === name);
    await waitFor(`${name} to be as the server says`, async () => (await who.find(`record-${id}`).isDisabled()) === !works);
  }
  await who.picture('recordings-cannot');
  await who.leave();
});
