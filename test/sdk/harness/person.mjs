// Somebody at the page that the server gives a browser.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { screenshots } from './paths.mjs';
import { waitFor } from './wait.mjs';

export const desktop = { viewport: { width: 1280, height: 800 } };
export const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

/** Somebody at the page, in a browser of their own. */
export class Person {
  static async at(call, name, device) {
    const person = new Person();
    person.name = name;
    person.page = await call.stage.browser.tab(device);
    person.strangers = [];
    person.errors = [];
    const home = new URL(call.server.url).host;
    person.page.on('request', (request) => {
      const url = new URL(request.url());
      if (!['data:', 'blob:'].includes(url.protocol) && url.host !== home) person.strangers.push(request.url());
    });
    person.page.on('pageerror', (error) => {
      // The SDK's worker may speak of somebody who has left meanwhile.
      if (!/couldn't set encryption status, participant not found/.test(error.message)) person.errors.push(error.message);
    });
    await person.page.goto(call.server.url);
    return person;
  }

  find(testId, attributes = {}) {
    const more = Object.entries(attributes).map(([name, value]) => `[data-${name}="${value}"]`).join('');
    return this.page.locator(`[data-testid="${testId}"]${more}`);
  }

  async see(testId, attributes = {}, options = {}) {
    await this.find(testId, attributes).first().waitFor({ timeout: 60_000, ...options });
  }

  /** passphrase: what to encrypt with; camera: whether to turn it on. */
  async join(room, { passphrase, camera = true } = {}) {
    await this.find('room-input').fill(room);
    await this.find('name-input').fill(this.name);
    await this.find('join-mic').check();
    await this.find('join-cam').setChecked(camera);
    if (passphrase) {
      await this.find('e2ee').check();
      await this.find('passphrase').fill(passphrase);
    }
    await this.find('join').click();
    await this.see('connection-state', { state: 'connected' }, { state: 'attached', timeout: 40_000 });
  }

  /** Opens a tab of a narrow page; a wide one shows everything. */
  async turnTo(tab) {
    const button = this.find(`tab-${tab}`);
    if (await button.isVisible()) await button.click();
  }

  /** Waits until pictures of somebody else are painted. */
  async seePictures(source = 'camera') {
    await waitFor(`${this.name} to see pictures of another's ${source}`, () => this.page.evaluate((wanted) => {
      const videos = [...document.querySelectorAll(`[data-testid="tile-video"][data-source="${wanted}"]`)];
      return videos.some((video) => {
        const tile = video.closest('[data-local="true"]');
        return !tile && video.videoWidth > 0 && video.getVideoPlaybackQuality().totalVideoFrames > 5;
      });
    }, source), 60_000);
  }

  /** The roll as [event, place in the room] pairs, oldest first. */
  async roll() {
    const rows = await this.find('event-row').evaluateAll((list) =>
      list.map((row) => [row.dataset.event, Number(row.dataset.roomSeq)]));
    return rows.toSorted((a, b) => a[1] - b[1]);
  }

  async picture(name) {
    mkdirSync(screenshots, { recursive: true });
    await this.page.screenshot({ path: path.join(screenshots, `${name}.png`) });
  }

  assertContent() {
    assert.deepEqual(this.errors, [], `${this.name}'s page threw no error`);
    assert.deepEqual(this.strangers, [], `${this.name}'s page asked no other host`);
  }
}
