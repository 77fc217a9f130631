// Chromium, and participants in it on the unmodified browser SDK.

import { chromium } from 'playwright-core';
import { servePages, servePagesIn } from './pages.mjs';
import { tone } from './paths.mjs';
import { Recorder } from './recorder.mjs';
import { joinToken } from './tokens.mjs';

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

  /** A tab that shows one of the pages of the page directory. */
  async testPage(file) {
    const page = await this.tab();
    await page.goto(`http://127.0.0.1:${this.#pages.port}/${file}`);
    await page.waitForFunction(() => window.ready);
    return page;
  }

  /** A participant that has not joined yet; connections: how many peer connections it makes. */
  async participant(identity, { connections } = {}) {
    const participant = new BrowserParticipant();
    participant.identity = identity;
    participant.events = new Recorder(`browser participant ${identity}`);
    const page = await this.tab();
    page.on('pageerror', (error) => participant.events.push({ event: 'pageerror', message: error.message }));
    page.on('console', (message) => {
      if (['warning', 'error'].includes(message.type())) participant.events.push({ event: 'console', type: message.type(), text: message.text() });
    });
    await page.exposeFunction('record', (event) => participant.events.push(event));
    await page.goto(`http://127.0.0.1:${this.#pages.port}/index.html?connections=${connections ?? ''}`);
    await page.waitForFunction(() => window.ready);
    participant.page = page;
    return participant;
  }

  async join(server, room, identity, { connections, ...tokenOptions } = {}) {
    const participant = await this.participant(identity, { connections });
    await participant.enter(server, room, tokenOptions);
    return participant;
  }
}

class BrowserParticipant {
  /** Joins, or throws what the SDK threw, with its reason and status. */
  async join(server, token, options = {}) {
    const result = await this.#call('join', server.ws, token, options);
    if (result.error !== undefined) {
      throw Object.assign(new Error(`browser participant ${this.identity}: ${result.error}`), result);
    }
    Object.assign(this, result);
  }

  /** Joins room with a good token. */
  async enter(server, room, tokenOptions = {}, options = {}) {
    await this.join(server, await joinToken(room, this.identity, tokenOptions), options);
  }

  /**
   * Puts a wire between the page and the server's signal socket, to be called
   * before joining: cut() breaks it, and new ones are held until mend().
   */
  async cuttableSignal(server) {
    const open = new Set();
    let mended = Promise.resolve();
    let mend;
    await this.page.routeWebSocket((url) => url.host === new URL(server.url).host, async (socket) => {
      await mended;
      socket.connectToServer();
      open.add(socket);
    });
    return {
      cut: async () => {
        mended = new Promise((resolve) => { mend = resolve; });
        await Promise.all([...open].map((socket) => socket.close({ code: 3000, reason: 'cut' })));
        open.clear();
      },
      mend: () => mend(),
    };
  }

  publishCamera(options) { return this.#call('publishCamera', options); }
  publishMicrophone() { return this.#call('publishMicrophone'); }
  unpublish(source) { return this.#call('unpublish', source); }
  setMuted(source, muted) { return this.#call('setMuted', source, muted); }
  /** quality: 0 low, 1 medium, 2 high. */
  setQuality(identity, source, quality) { return this.#call('setQuality', identity, source, quality); }
  setDynacast(on) { return this.#call('setDynacast', on); }
  setSubscribed(identity, source, subscribed) { return this.#call('setSubscribed', identity, source, subscribed); }
  sendData(text, { reliable = true, topic, to } = {}) {
    return this.#call('sendData', text, { reliable, topic, destinationIdentities: to });
  }
  allowSubscribers(all) { return this.#call('allowSubscribers', all); }
  answerCalls(method) { return this.#call('answerCalls', method); }
  call(identity, method, payload) { return this.#call('call', identity, method, payload); }
  listen(topic) { return this.#call('listen', topic); }
  sendText(text, topic) { return this.#call('sendText', text, topic); }
  sendBytes(size, topic) { return this.#call('sendBytes', size, topic); }
  setMetadata(metadata) { return this.#call('setMetadata', metadata); }
  setName(name) { return this.#call('setName', name); }
  setAttributes(attributes) { return this.#call('setAttributes', attributes); }
  simulate(scenario) { return this.#call('simulate', scenario); }
  video(identity, source) { return this.#call('video', identity, source); }
  audio(identity) { return this.#call('audio', identity); }
  sentLayers() { return this.#call('sentLayers'); }
  /** How each connection travels: [{name, protocol, local, remote, relay}]. */
  route() { return this.#call('route'); }
  peerConnections() { return this.#call('peerConnections'); }
  sentFrames() { return this.#call('sentFrames'); }
  view() { return this.#call('view'); }

  async videoFrames(identity) { return (await this.video(identity)).count; }
  async audioEnergy(identity) { return (await this.audio(identity)).energy; }

  /** Leaves, or closes the tab without a word when hard is set. */
  async leave({ hard = false } = {}) {
    if (this.page.isClosed()) return;
    if (!hard) await this.#call('leave');
    await this.page.context().close();
  }

  #call(method, ...args) {
    return this.page.evaluate(([name, list]) => window.participant[name](...list), [method, args]);
  }
}
