// Somebody at the dashboard, in a browser of their own.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { screenshots } from './paths.mjs';
import { waitFor } from './wait.mjs';

export class Operator {
  static async at(call, options = {}) {
    const who = new Operator();
    who.call = call;
    who.page = await call.stage.browser.tab({ viewport: { width: 1440, height: 900 }, ...options });
    who.errors = [];
    who.strangers = [];
    const home = new URL(call.server.url).host;
    who.page.on('pageerror', (error) => who.errors.push(error.message));
    // What the page's policy forbids is only told here.
    who.page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) who.errors.push(message.text());
    });
    who.page.on('request', (request) => {
      if (new URL(request.url()).host !== home) who.strangers.push(request.url());
    });
    return who;
  }

  open(where) { return this.page.goto(`${this.call.server.url}/dashboard${where}`); }

  find(testId, attributes = {}) {
    const more = Object.entries(attributes).map(([name, value]) => `[data-${name}="${value}"]`).join('');
    return this.page.locator(`[data-testid="${testId}"]${more}`);
  }

  see(testId, attributes, options) { return this.find(testId, attributes).first().waitFor({ timeout: 60_000, ...options }); }

  /** What the person reads there. */
  async reads(testId, want, attributes = {}, deadline = 60_000) {
    await waitFor(`${testId} to say ${want}`, async () => {
      const text = await this.find(testId, attributes).first().innerText({ timeout: 1000 });
      assert.match(text.replaceAll(/\s+/g, ' '), want);
      return true;
    }, deadline);
  }

  /** What an attribute of an element becomes. */
  async watches(testId, attributes, name, judge, deadline = 30_000) {
    await waitFor(`${name} of ${testId} to be as wanted`, async () => {
      const value = await this.find(testId, attributes).first().getAttribute(`data-${name}`, { timeout: 1000 });
      return judge(Number(value)) || assert.fail(`it is ${value}`);
    }, deadline);
  }

  async picture(name) {
    mkdirSync(screenshots, { recursive: true });
    await this.page.screenshot({ path: path.join(screenshots, `${name}.png`) });
  }

  async leave() {
    assert.deepEqual(this.errors, [], 'the page threw no error');
    assert.deepEqual(this.strangers, [], 'the page asked no other host');
  }
}
