// Every page, in both colours, by the rules of WCAG.

import assert from 'node:assert/strict';
import { broken } from '../harness/accessible.mjs';
import { Operator } from '../harness/operator.mjs';
import { desktop, Person, phone } from '../harness/person.mjs';
import { egressOf, recordings } from '../harness/recordings.mjs';
import { scene } from '../harness/scene.mjs';
import { waitFor } from '../harness/wait.mjs';
import { WebhookSink } from '../harness/webhooks.mjs';

const stage = scene({ config: { development: true, egress: { directory: recordings() } } });

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

  stage.test(`recordings in the dashboard, ${colorScheme}`, async (call) => {
    const found = [];
    const ana = await call.go('ana');
    await ana.publishCamera();
    await ana.publishMicrophone();
    const who = await Operator.at(call, { colorScheme });
    const small = await Operator.at(call, { ...phone, colorScheme });
    const looks = async (name, one = who) => {
      found.push(...await broken(one.page, name));
      await one.picture(`accessible-${name.replaceAll(/[^a-z]+/g, '-')}-${colorScheme}`);
      const wide = await one.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) found.push(`${name}: ${wide} pixels wider than the window`);
      const words = await one.page.evaluate(() => [...document.querySelectorAll('.shell-nav a')].filter((a) => a.scrollWidth > a.clientWidth).map((a) => a.innerText));
      if (words.length > 0) found.push(`${name}: no room for ${words}`);
    };
    try {
      await who.open('/recordings');
      await who.see('recordings-sum');
      await who.open(`/rooms/${encodeURIComponent(call.room)}`);
      await who.find('person-row', { identity: 'ana' }).getByRole('button', { name: /Actions for/ }).click();
      await who.page.getByRole('menuitem', { name: 'Record…' }).click();
      await who.see('record-participant');
      await looks('a dialog that records');
      await who.find('dialog-submit').click();
      await who.reads('recording-state', /recording/);
      await who.see('recording-player');
      await looks('a recording that goes on');

      // Its room's story shows it, and leads back to it.
      await who.page.getByRole('link', { name: 'Story' }).last().click();
      await who.see('bars-job', { kind: 'recording', open: 'true' });
      await who.see('bars-row', { identity: 'ana' });
      await looks('a story with a recording that goes on');
      await small.open(new URL(who.page.url()).pathname.replace(/^\/dashboard/, ''));
      await small.see('bars-job', { kind: 'recording', open: 'true' });
      await looks('a story with a recording on a phone', small);
      await who.find('bars-job', { kind: 'recording' }).getByRole('link').click();
      await who.find('recording-stop').click();
      await looks('a dialog that ends a recording');
      await who.find('dialog-submit').click();
      await who.reads('recording-state', /complete/);
      // The player has asked once more: it knows how long all of it is.
      const [{ fileResults: [file] }] = await egressOf(call).listEgress({ roomName: call.room });
      await waitFor('the player to know all of the recording', async () => {
        const seconds = await who.find('recording-player').evaluate((media) => media.readyState >= 2 && media.duration);
        return Math.abs(seconds - Number(file.duration) / 1e9) < 0.3 || assert.fail(`it knows ${seconds} of ${Number(file.duration) / 1e9} s`);
      });
      await looks('a recording');
      await who.page.getByRole('link', { name: 'Story' }).last().click();
      await who.see('bars-job', { kind: 'recording', open: 'false' });
      await looks('a story with a recording');

      await small.find('bars-job', { kind: 'recording' }).getByRole('link').click();
      await small.see('recording-player');
      await looks('a recording on a phone', small);
      await small.find('nav-recordings').click();
      await small.see('recording-row', { status: 'EGRESS_COMPLETE' });
      await looks('recordings on a phone', small);
      await who.find('nav-recordings').click();
      await who.see('recording-row', { status: 'EGRESS_COMPLETE' });
      await looks('recordings');
      for (const one of [who, small]) await one.leave();
      assert.deepEqual(found, []);
    } finally {
      for (const one of [who, small]) await one.page.context().close();
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
