// One file's stage: a server with a webhook receiver, a browser, and for each
// test a room of its own with the participants that the test brings in.

import { after, before, test } from 'node:test';
import { Browser } from './browser.mjs';
import { GoParticipant } from './goparticipant.mjs';
import { NodeParticipant } from './nodeparticipant.mjs';
import { Server } from './server.mjs';
import { SignalClient } from './signal.mjs';
import { joinToken } from './tokens.mjs';
import { WebhookSink } from './webhooks.mjs';

/** Sets the stage; config: keys of the server's configuration, on top of the usual ones. */
export function scene({ browser = true, config = {} } = {}) {
  const stage = {};
  before(async () => {
    stage.sink = await WebhookSink.start();
    stage.server = await Server.start({ webhooks: [stage.sink.url], ...config });
    if (browser) stage.browser = await Browser.start();
  });
  after(async () => {
    await stage.browser?.close();
    await stage.server?.close();
    await stage.sink?.close();
    await NodeParticipant.dispose();
  });

  /** A test in a room of its own; what it started ends with it. */
  stage.test = (rule, body) => test(rule, async (t) => {
    const call = new Call(stage, rule);
    try {
      await body(call, t);
    } catch (error) {
      console.error(`--- server log of "${rule}"\n${excerpt(stage.server.log())}\n---`);
      throw error;
    } finally {
      await call.end();
    }
  });
  return stage;
}

/** The room of one test, and who is in it. */
class Call {
  #guests = [];

  constructor(stage, rule) {
    this.stage = stage;
    this.server = stage.server;
    this.sink = stage.sink;
    this.api = stage.server.api();
    this.room = rule.toLowerCase().replace(/[^a-z0-9]+/g, '-').slice(0, 60);
  }

  async browser(identity, options) {
    return this.#in(await this.stage.browser.join(this.server, this.room, identity, options));
  }

  /** A browser participant that has not joined yet. */
  async stranger(identity) {
    return this.#in(await this.stage.browser.participant(identity));
  }

  async node(identity, options) {
    return this.#in(await NodeParticipant.join(this.server, this.room, identity, options));
  }

  async go(identity, options) {
    return this.#in(await GoParticipant.join(this.server, this.room, identity, options));
  }

  /** A client that only signals; query: further parameters of its request. */
  async signal(identity, { query = {}, ...options } = {}) {
    const token = await joinToken(this.room, identity, options);
    return this.#in(await SignalClient.connect(this.server, token, query));
  }

  async end() {
    await Promise.allSettled(this.#guests.map((guest) => guest.leave()));
  }

  #in(guest) {
    this.#guests.push(guest);
    return guest;
  }
}

function excerpt(log) {
  const lines = log.split('\n');
  return lines.slice(-Number(process.env.ROLLCALL_LOG_LINES ?? 80)).join('\n');
}
