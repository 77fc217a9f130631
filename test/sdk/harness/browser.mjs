// Chromium, and participants in it on the unmodified browser SDK.

import { chromium } from 'playwright-core';
import { BrowserParticipant } from './browserparticipant.mjs';
import { servePages, servePagesIn } from './pages.mjs';
import { tone } from './paths.mjs';

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-ui-for-media-stream',
  '--use-fake-device-for-media-stream',
  // The fake device's own beep is too short to count as speech.
  `--use-file-for-fake-audio-capture=${tone}`,
  '--autoplay-policy=no-user-gesture-required',
  // Sharing the screen shares this tab, without asking.
  '--auto-accept-this-tab-capture',
  '--auto-select-desktop-capture-source=Entire screen',
];

export class Browser {
  #chromium;
  #pages;

  /** Starts Chromium; pagesIn: path of the network namespace that executablePath runs it in; flags: more of them. */
  static async start({ executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium', pagesIn, flags: more = [] } = {}) {
    const browser = new Browser();
    browser.#chromium = await chromium.launch({ executablePath, headless: true, args: [...flags, ...more] });
    browser.#pages = await (pagesIn ? servePagesIn(pagesIn) : servePages());
    return browser;
  }

  async close() {
    await this.#chromium.close();
    await this.#pages.close();
  }

  /** An empty tab in a profile of its own, with camera and microphone. */
  async tab(options = {}) {
    const context = await this.#chromium.newContext({ permissions: ['camera', 'microphone'], ...options });
    return context.newPage();
  }

  /** A tab that shows one of the pages of the page directory; file may have a fragment. */
  async show(file) {
    const page = await this.tab();
    await page.goto(`http://127.0.0.1:${this.#pages.port}/${file}`);
    return page;
  }

  /** The same, once the page has said that it is ready. */
  async testPage(file) {
    const page = await this.show(file);
    await page.waitForFunction(() => window.ready);
    return page;
  }

  /** A participant that has not joined yet; connections: how many peer connections it makes; secret: what it encrypts with. */
  async participant(identity, { connections, secret } = {}) {
    const page = await this.tab();
    return BrowserParticipant.open(page, identity, this.#pages.port, { connections, secret, close: () => page.context().close() });
  }

  async join(server, room, identity, { connections, secret, ...tokenOptions } = {}) {
    const participant = await this.participant(identity, { connections, secret });
    await participant.enter(server, room, tokenOptions);
    return participant;
  }
}
