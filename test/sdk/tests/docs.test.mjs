// The documentation that the server shows, as a reader uses it.

import assert from 'node:assert/strict';
import { scene } from '../harness/scene.mjs';
import { waitFor } from '../harness/wait.mjs';

const stage = scene();

/** A tab, what it asked for elsewhere, and what it complained of. */
async function reader(options) {
  const page = await stage.browser.tab(options);
  const home = `http://127.0.0.1:${stage.server.port}`;
  const trouble = [];
  page.on('request', (r) => { if (!r.url().startsWith(home)) trouble.push(`asks ${r.url()}`); });
  page.on('response', (r) => { if (r.status() >= 400) trouble.push(`${r.status()} of ${r.url()}`); });
  page.on('console', (m) => { if (m.type() === 'error') trouble.push(m.text()); });
  page.on('pageerror', (e) => trouble.push(e.message));
  return { page, docs: `${home}/docs`, trouble };
}

stage.test('the documentation is found by search, with the keyboard alone', async () => {
  const { page, docs, trouble } = await reader();
  await page.goto(docs);
  assert.equal(await page.locator('h1').innerText(), 'Rollcall');
  await page.keyboard.press('/');
  await page.keyboard.type('dead letter');
  const first = page.locator('#found [role=option]').first();
  await first.waitFor();
  assert.match(await first.innerText(), /dead letters/i);
  await page.keyboard.press('ArrowDown');
  assert.equal(await first.getAttribute('aria-selected'), 'true');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/webhooks.html#order-retries-dead-letters');
  await page.locator('#search').fill('nosuchwordanywhere');
  await page.getByText('Nothing is found.').waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#found').isVisible(), false);
  assert.deepEqual(trouble, []);
  await page.context().close();
});

stage.test('the colours are the system’s until a reader wants others, and stay so', async () => {
  const { page, docs, trouble } = await reader({ colorScheme: 'dark' });
  const light = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).every((c) => c > 128));
  await page.goto(`${docs}/webhooks.html`);
  assert.equal(await light(), false);
  await page.getByRole('button', { name: 'Light colours' }).click();
  assert.equal(await light(), true);
  await page.getByRole('link', { name: 'Architecture' }).first().click();
  await page.waitForURL('**/architecture.html');
  assert.equal(await light(), true);
  assert.deepEqual(trouble, []);
  await page.context().close();
});

stage.test('every page fits a phone, and keeps to its policy', async () => {
  const { page, docs, trouble } = await reader({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  await page.goto(`${docs}/`);
  await page.locator('.drawer summary').click();
  const menu = page.locator('.drawer nav');
  await menu.waitFor();
  const pages = new Set(await menu.locator('a').evaluateAll((links) => links.map((a) => a.href)));
  assert.ok(pages.size > 10, `${pages.size} pages in the menu`);
  for (const address of pages) {
    await page.goto(address);
    const wide = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide[0] <= wide[1], `${address} is ${wide[0]} wide on a screen of ${wide[1]}`);
    assert.ok(await page.locator('h1').first().isVisible(), address);
    await waitFor('its pictures', () => page.evaluate(() => {
      for (const i of document.images) i.loading = 'eager';
      return [...document.images].every((i) => i.complete && i.naturalWidth > 0);
    }));
  }
  assert.deepEqual(trouble, []);
  await page.context().close();
});
