// A participant in a browser, on the unmodified browser SDK: a page that is told
// what to do.

import { Recorder } from './recorder.mjs';
import { joinToken } from './tokens.mjs';

export class BrowserParticipant {
  #close;

  /**
   * Loads the test page into an empty one of a browser; port: where the pages
   * are served; connections: how many peer connections the SDK makes; close:
   * ends the page's profile.
   */
  static async open(page, identity, port, { connections, secret, close }) {
    const participant = new BrowserParticipant();
    participant.identity = identity;
    participant.events = new Recorder(`browser participant ${identity}`);
    participant.#close = close;
    page.on('pageerror', (error) => participant.events.push({ event: 'pageerror', message: error.message }));
    page.on('console', (message) => {
      if (['warning', 'warn', 'error'].includes(message.type())) participant.events.push({ event: 'console', type: message.type(), text: message.text() });
    });
    await page.exposeFunction('record', (event) => participant.events.push(event));
    await page.goto(`http://127.0.0.1:${port}/index.html?connections=${connections ?? ''}&secret=${secret ?? ''}`);
    await page.waitForFunction(() => window.ready);
    participant.page = page;
    return participant;
  }

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

  /** See cuttableSignal below. */
  cuttableSignal(server) { return cuttableSignal(this.page, server); }

  /**
   * Puts a volume control behind the page's microphone, to be called before publishing it.
   * Returns what turns it: 0 is silence, 1 is as it comes.
   */
  async volumeControl() {
    await this.page.evaluate(() => {
      const devices = navigator.mediaDevices;
      const open = devices.getUserMedia.bind(devices);
      const context = new AudioContext();
      const control = new GainNode(context);
      devices.getUserMedia = async (wanted) => {
        const media = await open(wanted);
        if (!wanted.audio) return media;
        const out = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
        context.createMediaStreamSource(media).connect(control).connect(out);
        return out.stream;
      };
      window.turnVolume = (volume) => { control.gain.value = volume; };
    });
    return (volume) => this.page.evaluate((v) => window.turnVolume(v), volume);
  }

  publishCamera(options) { return this.#call('publishCamera', options); }
  setScalability(mode) { return this.#call('setScalability', mode); }
  publishMicrophone() { return this.#call('publishMicrophone'); }
  publishVoice() { return this.#call('publishVoice'); }
  speak(on) { return this.#call('speak', on); }
  repairs(identity) { return this.#call('repairs', identity); }
  publishClapper() { return this.#call('publishClapper'); }
  streams(identity) { return this.#call('streams', identity); }
  /** Which moment of its sender is played of sound and of pictures, in milliseconds. */
  played() { return this.#call('played'); }
  unpublish(source) { return this.#call('unpublish', source); }
  setMuted(source, muted) { return this.#call('setMuted', source, muted); }
  /** quality: 0 low, 1 medium, 2 high. */
  setQuality(identity, source, quality) { return this.#call('setQuality', identity, source, quality); }
  /** The header extensions that its camera is sent with. */
  extensions() { return this.#call('extensions'); }
  /** Pictures that its camera has given its encoder so far. */
  captured() { return this.#call('captured'); }
  /** The longest time between two pictures of somebody since it was asked for last, in milliseconds. */
  gap(identity) { return this.#call('gap', identity); }
  setFPS(identity, source, fps) { return this.#call('setFPS', identity, source, fps); }
  setAdaptiveStream(on) { return this.#call('setAdaptiveStream', on); }
  showAt(identity, width, height) { return this.#call('showAt', identity, width, height); }
  setDynacast(on) { return this.#call('setDynacast', on); }
  setSubscribed(identity, source, subscribed) { return this.#call('setSubscribed', identity, source, subscribed); }
  sendData(text, { reliable = true, topic, to } = {}) {
    return this.#call('sendData', text, { reliable, topic, destinationIdentities: to });
  }
  /** permissions: those of single participants, as the SDK has them. */
  allowSubscribers(all, permissions) { return this.#call('allowSubscribers', all, permissions); }
  answerCalls(method) { return this.#call('answerCalls', method); }
  call(identity, method, payload) { return this.#call('call', identity, method, payload); }
  listen(topic) { return this.#call('listen', topic); }
  sendText(text, topic) { return this.#call('sendText', text, topic); }
  sendBytes(size, topic) { return this.#call('sendBytes', size, topic); }
  setMetadata(metadata) { return this.#call('setMetadata', metadata); }
  setName(name) { return this.#call('setName', name); }
  setAttributes(attributes) { return this.#call('setAttributes', attributes); }
  simulate(scenario, arg) { return this.#call('simulate', scenario, arg); }
  video(identity, source) { return this.#call('video', identity, source); }
  audio(identity) { return this.#call('audio', identity); }
  publishDataTrack(name) { return this.#call('publishDataTrack', name); }
  pushFrame(name, text) { return this.#call('pushFrame', name, text); }
  unpublishDataTrack(name) { return this.#call('unpublishDataTrack', name); }
  takeDataTrack(identity, name) { return this.#call('takeDataTrack', identity, name); }
  sentAudio() { return this.#call('sentAudio'); }
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
    await this.#close();
  }

  #call(method, ...args) {
    return this.page.evaluate(([name, list]) => window.participant[name](...list), [method, args]);
  }
}

/**
 * Puts a wire between a page in Chromium and the server's signal socket, to be called
 * before joining: cut() breaks it, and new ones are held until mend().
 */
export async function cuttableSignal(page, server) {
  const open = new Set();
  let mended = Promise.resolve();
  let mend;
  await page.routeWebSocket((url) => url.host === new URL(server.url).host, async (socket) => {
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
