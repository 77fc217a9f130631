// LiveKit's React components render what happens in the room.

import assert from 'node:assert/strict';
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
