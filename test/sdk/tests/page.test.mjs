// The page that the server gives a browser, used as a person would use it.

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { desktop, Person, phone } from '../harness/person.mjs';
import { scene } from '../harness/scene.mjs';
import { waitFor } from '../harness/wait.mjs';

// In development mode the server hands out the tokens.
const stage = scene({ config: { development: true } });

stage.test('two people meet on the page', async (call) => {
  const ana = await Person.at(call, 'Ana', desktop);
  await ana.picture('lobby-desktop');
  const ben = await Person.at(call, 'Ben', phone);
  await ben.picture('lobby-phone');
  try {
    await ana.join(call.room);
    await ben.join(call.room);
    for (const who of [ana, ben]) {
      await who.see('participant', { local: 'true' });
      await who.see('participant', { local: 'false' });
      await who.seePictures();
    }

    // Microphone and camera.
    for (const [toggle, attribute] of [['toggle-mic', 'mic'], ['toggle-cam', 'camera']]) {
      await ana.find(toggle).click();
      await ben.see('participant', { local: 'false', [attribute]: 'off' });
      await ana.find(toggle).click();
      await ben.see('participant', { local: 'false', [attribute]: 'on' });
    }

    // Chat, both ways.
    await ben.turnTo('chat');
    await ana.find('chat-input').fill('Hello Ben');
    await ana.find('chat-send').click();
    await ben.find('chat-message', { own: 'false' }).filter({ hasText: 'Hello Ben' }).waitFor();
    await ben.find('chat-input').fill('Hello Ana');
    await ben.find('chat-send').click();
    await ana.find('chat-message', { own: 'false' }).filter({ hasText: 'Hello Ana' }).waitFor();
    await ben.picture('chat-phone');

    // The roll beside the call, as the log records it.
    await ben.turnTo('roll');
    for (const who of [ana, ben]) {
      await who.see('roll-state', { state: 'live' });
      await waitFor(`${who.name}'s roll`, async () => {
        const roll = await who.roll();
        assert.deepEqual(roll.map(([, seq]) => seq), roll.map((_, i) => i + roll[0][1]), 'no record is missing');
        const names = roll.map(([name]) => name);
        assert.equal(names.filter((name) => name === 'participant_joined').length, 2);
        assert.ok(names.filter((name) => name === 'track_published').length >= 4);
        return true;
      });
    }
    await ana.picture('call-desktop');
    await ben.picture('roll-phone');
    const [width, content] = await ben.page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
    assert.ok(content <= width, `a phone need not scroll sideways: ${content} > ${width}`);

    // Somebody leaves.
    await ben.find('leave').click();
    await ben.see('join');
    await ana.find('participant', { local: 'false' }).waitFor({ state: 'detached' });
    await ana.see('event-row', { event: 'participant_left' });
    ana.assertContent();
    ben.assertContent();
  } catch (error) {
    await ana.picture('failed-ana').catch(() => {});
    await ben.picture('failed-ben').catch(() => {});
    throw error;
  } finally {
    await ana.page.context().close();
    await ben.page.context().close();
  }
});

stage.test('the roll begins anew with a log that does', async (call) => {
  const ana = await Person.at(call, 'Ana', desktop);
  try {
    await ana.join(call.room);
    await ana.see('event-row', { event: 'participant_joined' });
    await ana.find('leave').click();
    await ana.see('event-row', { event: 'participant_left' });
    await call.server.end();
    rmSync(call.server.dataDir, { recursive: true });
    await call.server.run();
    await ana.see('roll-state', { state: 'live' });
    await call.api.createRoom({ name: call.room });
    await ana.see('event-row', { event: 'room_started', seq: '1' });
    assert.equal(await ana.find('event-row').count(), 1, 'nothing is left of the log that was');
  } finally {
    await ana.page.context().close();
  }
});
