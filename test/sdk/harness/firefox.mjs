// Firefox, as Debian has it, and participants in it on the unmodified browser SDK.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import puppeteer from 'puppeteer-core';
import { connect } from './bidi.mjs';
import { BrowserParticipant } from './browserparticipant.mjs';
import { servePages, servePagesIn } from './pages.mjs';
import { within } from './wait.mjs';

const patience = 60_000;

const prefs = {
  // A camera and a microphone that hums, and no questions about them.
  'media.navigator.permission.disabled': true,
  'media.navigator.streams.fake': true,
  'media.autoplay.default': 0,
  'media.autoplay.blocking_policy': 0,
  // The tests' networks have nobody who would answer for .local names.
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'media.peerconnection.ice.loopback': true,
  // What it paints is counted, not looked at.
  'layout.frame_rate': 10,
  // Nothing that speaks to the outside, or asks the user.
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.aboutwelcome.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage': 'about:blank',
  'browser.startup.page': 0,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  'media.gmp-manager.updateEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'toolkit.telemetry.server': '',
};

export class Firefox {
  #process;
  #profile;
  #firefox;
  #pages;

  /** Starts Firefox; pagesIn: path of the network namespace that executablePath runs it in. */
  static async start({ executablePath = process.env.FIREFOX ?? '/usr/bin/firefox-esr', pagesIn } = {}) {
    const browser = new Firefox();
    try {
      const url = await browser.#launch(executablePath);
      browser.#firefox = await puppeteer.connect({ transport: await connect(`${url}/session`, pagesIn), protocol: 'webDriverBiDi' });
      browser.#pages = await (pagesIn ? servePagesIn(pagesIn) : servePages());
    } catch (error) {
      await browser.close();
      throw error;
    }
    return browser;
  }

  /** Starts the process and returns where it is to be driven. */
  async #launch(executablePath) {
    this.#profile = mkdtempSync(path.join(os.tmpdir(), 'rollcall-firefox-'));
    const lines = Object.entries(prefs).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
    writeFileSync(path.join(this.#profile, 'user.js'), lines.join(''));
    this.#process = spawn(executablePath, [
      '--headless', '--no-remote', '--profile', this.#profile, '--remote-debugging-port=0', 'about:blank',
    ], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, MOZ_CRASHREPORTER_DISABLE: '1' } });
    const said = [];
    return within('Firefox to start', new Promise((resolve, reject) => {
      readline.createInterface({ input: this.#process.stderr }).on('line', (line) => {
        said.push(line);
        const [, url] = line.match(/^WebDriver BiDi listening on (ws:\S+)/) ?? [];
        if (url) resolve(url);
      });
      this.#process.once('error', reject);
      this.#process.once('exit', () => reject(new Error(`Firefox ended:\n${said.join('\n')}`)));
    }), patience);
  }

  async close() {
    await this.#pages?.close();
    await this.#firefox?.close().catch(() => {}); // It may be gone.
    if (this.#process?.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }

  /** A participant that has not joined yet; connections: how many peer connections it makes. */
  async participant(identity, { connections } = {}) {
    const context = await this.#firefox.createBrowserContext();
    const page = await context.newPage();
    return BrowserParticipant.open(page, identity, this.#pages.port, { connections, close: () => context.close() });
  }
}
