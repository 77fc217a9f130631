// A webhook receiver that keeps every request as it came in, and misbehaves on demand.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { spawnSync } from 'node:child_process';
import { WebhookReceiver } from 'livekit-server-sdk';
import { webhookVerify } from './paths.mjs';
import { apiKey, apiSecret } from './tokens.mjs';
import { waitFor } from './wait.mjs';

export class WebhookSink {
  #server;
  #verifier = new WebhookReceiver(apiKey, apiSecret);
  #hanging = new Set();

  /** Every request, in order of arrival: {raw, headers, event, error, status}. */
  attempts = [];

  /** What the next requests get: (attempt) => {status, headers, body} or 'hang'. */
  answer = () => ({ status: 200 });

  static async start() {
    const sink = new WebhookSink();
    await sink.up();
    return sink;
  }

  /** Listens, on the same port as before if there was one. */
  async up() {
    this.#server = createServer((request, response) => this.#handle(request, response));
    this.#server.listen(this.port ?? 0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = this.#server.address().port;
    this.url = `http://127.0.0.1:${this.port}/hook`;
  }

  /** Stops listening and cuts every connection: the next request is refused. */
  async down() {
    const server = this.#server;
    this.#hanging.clear();
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  }

  /** Answers the requests that were left hanging by closing their connections. */
  release() {
    for (const response of this.#hanging) response.destroy();
    this.#hanging.clear();
  }

  close() { return this.#server.listening ? this.down() : undefined; }

  async #handle(request, response) {
    const chunks = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return; // The sender gave up before it had sent the whole request.
    }
    const attempt = { method: request.method, path: request.url, headers: request.headers, raw: Buffer.concat(chunks) };
    try {
      attempt.event = await this.#verifier.receive(attempt.raw.toString('utf8'), request.headers.authorization);
    } catch (error) {
      attempt.error = error;
    }
    this.attempts.push(attempt);
    const answer = this.answer(attempt);
    if (answer === 'hang') {
      attempt.status = 0;
      this.#hanging.add(response);
      return;
    }
    attempt.status = answer.status;
    response.writeHead(answer.status, answer.headers ?? {});
    response.end(answer.body);
  }

  /** Attempts answered 2xx, for one room name or all. */
  accepted(room) {
    return this.attempts.filter((a) => a.status >= 200 && a.status < 300 && (!room || a.event?.room?.name === room));
  }

  /** The accepted events of one room, once probe says that they are complete. */
  async story(room, complete = endsWithRoomFinished, deadline = undefined) {
    return waitFor(`the webhooks of room ${room}`, () => {
      const events = this.accepted(room).map((a) => a.event);
      if (complete(events)) return events;
      throw new Error(`got ${events.map((e) => e.event).join(', ') || 'none'}`);
    }, deadline);
  }

  /** Fails unless the SDK's receiver could verify every request. */
  assertAllVerified() {
    for (const a of this.attempts) {
      if (a.error) throw new Error(`webhook not verified: ${a.error.message}\n${JSON.stringify(a.headers)}\n${a.raw}`);
    }
  }

  /** Has the Go receiver judge the raw bytes of the accepted requests. */
  verifyWithGo(attempts = this.accepted()) {
    const input = attempts.map((a) => JSON.stringify({
      authorization: a.headers.authorization,
      contentType: a.headers['content-type'],
      body: a.raw.toString('base64'),
    })).join('\n');
    const run = spawnSync(webhookVerify, ['-key', apiKey, '-secret', apiSecret], { input, encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`webhookverify: ${run.stderr || run.error}`);
    return run.stdout.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }
}

export function endsWithRoomFinished(events) {
  return events.at(-1)?.event === 'room_finished';
}
