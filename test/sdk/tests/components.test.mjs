// LiveKit's React components render what happens in the room.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { cuttableSignal } from '../harness/browserparticipant.mjs';
import { repository, suite } from '../harness/paths.mjs';
import { scene } from '../harness/scene.mjs';
import { joinToken } from '../harness/tokens.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();

// More than a moment on a busy machine.
const patience = 60_000;

stage.test('React components render a call from its beginning to its end', async (call) => {
  const page = await stage.browser.testPage('components.html');
  const token = await joinToken(call.room, 'viewer');
  await page.evaluate(([url, jwt]) => window.enter(url, jwt), [call.server.ws, token]);
  const shows = (what, look, wanted) => waitFor(what, async () => {
    assert.deepEqual(await page.evaluate(look), wanted);
    return true;
  }, patience);
  const people = () => [...document.querySelectorAll('li')].map((li) => li.id).sort();
  const guest = () => ({ ...document.getElementById('guest')?.dataset });
  const part = (name, wanted) => waitFor(`the guest's ${name}`, async () => (await page.evaluate(guest))[name] === wanted, patience);

  await shows('the room', () => document.querySelector('h1').textContent, call.room);
  await shows('the state', () => document.getElementById('state').textContent, 'connected');
  await shows('the viewer itself', people, ['viewer']);

  const alice = await call.browser('guest', { name: 'The guest' });
  await shows('who joined', people, ['guest', 'viewer']);
  await part('name', 'The guest');

  await alice.publishCamera();
  const video = () => {
    const element = document.querySelector('video[data-of=guest]');
    return [element?.videoWidth, element?.videoHeight];
  };
  await shows('a picture', video, [320, 180]);
  const frames = () => page.evaluate(() => document.querySelector('video[data-of=guest]').getVideoPlaybackQuality().totalVideoFrames);
  const before = await frames();
  await waitFor('the picture to move', async () => await frames() > before + 5, patience);

  await alice.publishMicrophone();
  await shows('an audio element that plays',
    () => [...document.querySelectorAll('audio')].map((a) => [a.srcObject.getAudioTracks().length, a.paused]), [[1, false]]);
  await part('microphone', 'true');
  await part('speaking', 'true');
  await alice.setMuted('microphone', true);
  await part('microphone', 'false');
  await part('speaking', 'false');

  await alice.setMetadata('of the guest');
  await part('metadata', 'of the guest');
  await alice.setAttributes({ seat: '7' });
  await part('seat', '7');
  await part('quality', 'excellent');

  await alice.unpublish('camera');
  await shows('no picture any more', () => document.querySelectorAll('video').length, 0);
  await alice.leave();
  await shows('that the guest has left', people, ['viewer']);
  await call.api.deleteRoom(call.room);
  await shows('the end', () => document.body.dataset.over, 'yes');
  await page.context().close();
});

stage.test('React components render a shared screen, a connection that is lost, and one that is bad', async (call) => {
  const page = await stage.browser.testPage('components.html');
  const wire = await cuttableSignal(page, call.server);
  await page.evaluate(([url, jwt]) => window.enter(url, jwt), [call.server.ws, await joinToken(call.room, 'viewer')]);
  const shows = (what, look, wanted) => waitFor(what, async () => {
    assert.deepEqual(await page.evaluate(look), wanted);
    return true;
  }, patience);
  const state = () => document.getElementById('state').textContent;
  await shows('the state', state, 'connected');

  const presenter = await call.node('presenter');
  const guest = await call.browser('guest');
  await guest.publishCamera();
  const screen = await presenter.publishScreen();
  const pictures = () => [...document.querySelectorAll('video')].map((v) => [v.dataset.of, v.dataset.source, v.videoWidth]).sort();
  const both = [['guest', 'camera', 320], ['presenter', 'screen_share', 320]];
  await shows('a camera and a screen', pictures, both);

  const quality = () => document.getElementById('guest').dataset.quality;
  await shows('that the guest is well connected', quality, 'excellent');
  await guest.simulate('subscriber-bandwidth', 1_000); // too little even for a screen that is all of one colour
  await shows('that it is not', quality, 'poor');
  await guest.simulate('subscriber-bandwidth', 0);

  await wire.cut();
  await shows('that the signal connection is lost', state, 'signalReconnecting');
  await wire.mend();
  await shows('that it is there again', state, 'connected');
  await page.evaluate(() => window.room.simulateScenario('full-reconnect'));
  await shows('each state', () => window.states.slice(window.states.indexOf('connected')),
    ['connected', 'signalReconnecting', 'connected', 'reconnecting', 'connected']);
  await shows('both pictures after that', pictures, both);
  await shows('that the guest is well connected again', quality, 'excellent');
  const frames = () => page.evaluate(() => [...document.querySelectorAll('video')].map((v) => v.getVideoPlaybackQuality().totalVideoFrames));
  const before = await frames();
  await waitFor('the pictures to move', async () => (await frames()).every((n, i) => n > before[i] + 3), patience);

  await presenter.unpublish(screen.sid);
  await shows('the camera alone', pictures, both.slice(0, 1));
  await page.context().close();
});

stage.test('the React sample of the documentation is a whole call', async (call) => {
  const token = await joinToken(call.room, 'ana', { name: 'Ana' });
  const page = await stage.browser.show(`react.html#${new URLSearchParams({ url: call.server.ws, token })}`);
  const complaints = [];
  page.on('pageerror', (e) => complaints.push(e.message));
  const shows = (what, look, wanted) => waitFor(what, async () => {
    assert.deepEqual(await page.evaluate(look), wanted);
    return true;
  }, patience);
  const people = () => [...document.querySelectorAll('li')].map((li) => li.innerText.trim().replace(/\s+/g, ' ')).sort();
  const pictures = () => [...document.querySelectorAll('video')].map((v) => [v.title, v.videoWidth > 0]).sort();

  const ben = await call.browser('ben', { name: 'Ben' });
  await shows('both, and who speaks', people, ['Ana speaks', 'Ben muted']);
  await shows('its own picture', pictures, [['ana', true]]);
  await ben.publishCamera();
  await ben.publishMicrophone();
  await shows('both pictures', pictures, [['ana', true], ['ben', true]]);
  await shows('that both speak', people, ['Ana speaks', 'Ben speaks']);
  await shows('sound of the other', () => [...document.querySelectorAll('audio')].map((a) => a.paused), [false]);
  await ben.setMuted('microphone', true);
  await shows('that the other is muted', people, ['Ana speaks', 'Ben muted']);
  await ben.leave();
  await shows('that the other has left', pictures, [['ana', true]]);
  await call.api.deleteRoom(call.room);
  await page.getByText('The call is over').waitFor({ timeout: patience });
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('the React sample is tested with the versions that it names', () => {
  const versions = (dir) => JSON.parse(readFileSync(path.join(dir, 'package.json'))).dependencies;
  const tested = versions(suite);
  for (const [name, version] of Object.entries(versions(path.join(repository, 'examples/react')))) {
    assert.equal(version, tested[name], name);
  }
});
