// Every page, in both colours, by the rules of WCAG.

import assert from 'node:assert/strict';
import { broken } from '../harness/accessible.mjs';
import { Operator } from '../harness/operator.mjs';
import { desktop, Person, phone } from '../harness/person.mjs';
import { scene } from '../harness/scene.mjs';
import { WebhookSink } from '../harness/webhooks.mjs';

const stage = scene({ config: { development: true } });

for (const colorScheme of ['light', 'dark']) {
  stage.test(`the meeting page, ${colorScheme}`, async (call) => {
    const found = [];
    const ana = await Person.at(call, 'Ana', { ...desktop, colorScheme });
    const ben = await Person.at(call, 'Ben', { ...phone, colorScheme });
    try {
      found.push(...await broken(ana.page, 'the lobby'));
      found.push(...await broken(ben.page, 'the lobby on a phone'));
      await ana.join(call.room);
      await ben.join(call.room);
      for (const who of [ana, ben]) await who.see('participant', { local: 'false' });
      await ana.find('chat-input').fill('Hello Ben');
      await ana.find('chat-send').click();
      await ben.turnTo('chat');
      await ben.find('chat-message', { own: 'false' }).waitFor();
      await ana.turnTo('roll');
      found.push(...await broken(ana.page, 'a meeting'));
      found.push(...await broken(ben.page, 'its chat on a phone'));
      assert.deepEqual(found, []);
    } finally {
      for (const who of [ana, ben]) await who.page.context().close();
    }
  });

  stage.test(`the dashboard, ${colorScheme}`, async (call) => {
    const found = [];
    const crm = await WebhookSink.start();
    const ana = await call.rollcall('ana');
    await ana.publishMicrophone();
    const who = await Operator.at(call, { colorScheme });
    try {
      await who.open('/rooms');
      await who.see('room-row', { room: call.room });
      found.push(...await broken(who.page, 'rooms'));
      await who.find('room-row', { room: call.room }).click();
      await who.see('person-row', { identity: 'ana' });
      await who.find('person-row', { identity: 'ana' }).click();
      await who.see('person-panel', { identity: 'ana' });
      found.push(...await broken(who.page, 'a room'));

      await who.find('nav-deliveries').click();
      await who.find('add-endpoint').click();
      found.push(...await broken(who.page, 'a dialog'));
      await who.find('ep-url').fill(crm.url);
      await who.find('ep-events').fill('*');
      await who.find('dialog-submit').click();
      await who.see('secret');
      await who.find('dialog-submit').click();
      await who.see('endpoint-state', { state: 'up' });
      found.push(...await broken(who.page, 'an endpoint'));

      await who.find('nav-story').click();
      await who.find('session', { open: 'true' }).filter({ hasText: call.room }).click();
      await who.see('bars-row', { identity: 'ana' });
      found.push(...await broken(who.page, 'a story'));
      await who.find('nav-node').click();
      await who.see('uptime');
      found.push(...await broken(who.page, 'the node'));
      await who.leave();
      assert.deepEqual(found, []);
    } finally {
      await who.page.context().close();
      await crm.close();
    }
  });

  stage.test(`the documentation, ${colorScheme}`, async (call) => {
    const found = [];
    const page = await call.stage.browser.tab({ colorScheme });
    await page.goto(`${call.server.url}/docs/`);
    const links = await page.locator('.side nav a').evaluateAll((all) => all.map((a) => a.href.split('#')[0]));
    const pages = [...new Set(links)];
    assert.ok(pages.length > 15, `${pages}`);
    // The dark colours are the same everywhere.
    for (const where of colorScheme === 'dark' ? pages.slice(0, 4) : pages) {
      await page.goto(where);
      found.push(...await broken(page, new URL(where).pathname));
    }
    await page.context().close();
    assert.deepEqual(found, []);
  });
}
