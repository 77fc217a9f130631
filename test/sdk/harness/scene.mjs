// One file's stage: a server with a webhook receiver, a browser, and for each
// test a room of its own with the participants that the test brings in.

import { after, before, test } from 'node:test';
import { Browser } from './browser.mjs';
import { GoParticipant, RollParticipant } from './goparticipant.mjs';
import { PyParticipant } from './pyparticipant.mjs';
import { NodeParticipant } from './nodeparticipant.mjs';
import { Server } from './server.mjs';
import { SignalClient } from './signal.mjs';
import { joinToken } from './tokens.mjs';
import { WebhookSink } from './webhooks.mjs';

/**
 * Sets the stage; config: keys of the server's configuration, on top of the
 * usual ones; signalHost: where participants find the server; timeout: how long
 * a test may take on a very busy machine, in milliseconds.
 */
export function scene({ browser = true, config = {}, signalHost, timeout = 180_000 } = {}) {
  const stage = {};
  before(async () => {
    stage.sink = await WebhookSink.start();
    stage.server = await Server.start({ webhooks: [stage.sink.url], ...config });
    if (signalHost) stage.server.ws = `ws://${signalHost}:${stage.server.port}`;
    if (browser) stage.browser = await Browser.start();
  });
  after(async () => {
    await stage.browser?.close();
    await stage.server?.close();
    await stage.sink?.close();
    await NodeParticipant.dispose();
  });

  /** A test in a room of its own; what it started ends with it. */
  stage.test = (rule, body, connections) => test(rule, { timeout }, async (t) => {
    const call = new Call(stage, rule, connections);
    try {
      await body(call, t);
    } catch (error) {
      console.error(`--- server log of "${rule}"\n${excerpt(stage.server.log(), call.room)}\n---`);
      throw error;
    } finally {
      await call.end();
    }
  });
  /** The same test twice: SDKs with one peer connection for both ways, and with one for each. */
  stage.inBothModes = (rule, body) => {
    stage.test(`${rule} (one connection)`, body, 1);
    stage.test(`${rule} (two connections)`, body, 2);
  };
  return stage;
}

/** The room of one test, and who is in it. */
class Call {
  #guests = [];

  /** connections: how many peer connections its SDKs make; undefined: as many as they do by themselves. */
  constructor(stage, rule, connections) {
    this.stage = stage;
    this.connections = connections;
    this.server = stage.server;
    this.sink = stage.sink;
    this.api = stage.server.api();
    this.room = rule.toLowerCase().replace(/[^a-z0-9]+/g, '-').slice(0, 80);
  }

  async browser(identity, options) {
    return this.#in(await this.stage.browser.join(this.server, this.room, identity, this.#mode(options)));
  }

  /** A browser participant in another room. */
  async guest(room, identity, options) {
    return this.#in(await this.stage.browser.join(this.server, room, identity, this.#mode(options)));
  }

  /** One on rtc-node in another room. */
  async nodeGuest(room, identity, options) {
    return this.#in(await NodeParticipant.join(this.server, room, identity, this.#mode(options)));
  }

  /** A browser participant that has not joined yet. */
  async stranger(identity) {
    return this.#in(await this.stage.browser.participant(identity, this.#mode()));
  }

  async node(identity, options) {
    return this.#in(await NodeParticipant.join(this.server, this.room, identity, this.#mode(options)));
  }

  async go(identity, options) {
    return this.#in(await GoParticipant.join(this.server, this.room, identity, this.#mode(options)));
  }

  /** A participant on our own Go client. */
  async rollcall(identity, options) {
    return this.#in(await RollParticipant.join(this.server, this.room, identity, this.#mode(options)));
  }

  async python(identity, options) {
    return this.#in(await PyParticipant.join(this.server, this.room, identity, options));
  }

  /** A client that only signals; query: further parameters of its request. */
  signal(identity, query = {}) { return this.signalIn(this.room, identity, query); }

  async signalIn(room, identity, query = {}) {
    return this.#in(await SignalClient.connect(this.server, await joinToken(room, identity), query));
  }

  async end() {
    await Promise.allSettled(this.#guests.map((guest) => guest.leave()));
  }

  #mode(options = {}) { return { connections: this.connections, ...options }; }

  #in(guest) {
    this.#guests.push(guest);
    return guest;
  }
}

// The end of what the server said about the room, or of all it said when it never spoke of it.
function excerpt(log, room) {
  const lines = log.split('\n').filter(Boolean);
  const about = lines.filter((line) => line.includes(room));
  return (about.length ? about : lines).slice(-Number(process.env.ROLLCALL_LOG_LINES ?? 60)).join('\n');
}
