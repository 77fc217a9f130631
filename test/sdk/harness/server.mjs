// The server under test: a process with its own ports and data directory.

import { spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { RoomServiceClient } from 'livekit-server-sdk';
import { serverBinary } from './paths.mjs';
import { apiKey, apiSecret } from './tokens.mjs';
import { waitFor, within } from './wait.mjs';

// ROLLCALL_SERVER_COMMAND runs the same tests against another build, or any
// server that speaks the protocol and reads the same configuration keys.
const command = process.env.ROLLCALL_SERVER_COMMAND ??
  `${serverBinary} serve --config {config} --data-dir {data}`;

export class Server {
  #process;
  #exited;

  /** Starts a server; webhooks: URLs that get its events; webhook, room: keys of these sections; port: any free one by default. */
  static async start({ webhooks = [], webhook = {}, room = {}, egress = {}, port, ...rest } = {}) {
    const server = new Server();
    server.dir = mkdtempSync(path.join(os.tmpdir(), 'rollcall-sdk-'));
    server.dataDir = path.join(server.dir, 'data');
    mkdirSync(server.dataDir);
    server.logFile = path.join(server.dir, 'server.log');
    server.port = port ?? await freePort('tcp');
    const secure = rest.tls ? 's' : '';
    server.url = `http${secure}://127.0.0.1:${server.port}`;
    server.ws = `ws${secure}://127.0.0.1:${server.port}`;
    server.configFile = path.join(server.dir, 'config.yaml');
    writeFileSync(server.configFile, JSON.stringify({
      port: server.port,
      bind_addresses: ['127.0.0.1'],
      rtc: {
        udp_port: await freePort('udp'),
        tcp_port: await freePort('tcp'),
        // Media stays on the loopback interface, whatever else the machine has.
        node_ip: '127.0.0.1',
        enable_loopback_candidate: true,
        use_external_ip: false,
      },
      keys: { [apiKey]: apiSecret },
      ...(webhooks.length ? { webhook: { api_key: apiKey, urls: webhooks, ...webhook } } : {}),
      room: { empty_timeout: 60, departure_timeout: 1, ...room },
      // The machine is as busy as the tests make it.
      egress: { max_cpu: 0, ...egress },
      logging: { level: 'debug' },
      ...rest,
    }));
    await server.run();
    return server;
  }

  /** Runs the process on the configuration and data that are there; also after stop or kill. */
  async run() {
    const [file, ...args] = command.split(' ').map((word) =>
      word.replace('{config}', this.configFile).replace('{data}', this.dataDir));
    const log = createWriteStream(this.logFile, { flags: 'a' });
    this.#process = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: this.dir });
    this.#process.stdout.pipe(log, { end: false });
    this.#process.stderr.pipe(log, { end: false });
    const child = this.#process;
    this.#exited = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        log.end();
        resolve({ code, signal });
      });
    });
    this.#exited.catch(() => {});
    let early;
    child.once('exit', (code, signal) => { early = { code, signal }; });
    await waitFor('the server to answer', async () => {
      if (early) return true;
      return answers(this.url);
    });
    if (early) throw new Error(`the server ended at once: ${JSON.stringify(early)}\n${this.log()}`);
  }

  get pid() { return this.#process.pid; }

  /** Sends a signal and returns how the process ended. */
  async end(signal = 'SIGTERM') {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill(signal);
    try {
      return await within(`the server to end after ${signal}`, this.#exited, 20_000);
    } catch (error) {
      this.#process.kill('SIGQUIT'); // has Go tell what it was doing, in the log
      await within('the server to dump its goroutines', this.#exited, 5_000).catch(() => this.#process.kill('SIGKILL'));
      throw error;
    }
  }

  /** Ends the process and forgets its data. A fault of the server's own, such as a data race, fails the test that had it. */
  async close() {
    await this.end('SIGKILL');
    const log = existsSync(this.logFile) ? this.log() : '';
    rmSync(this.dir, { recursive: true, force: true });
    const at = log.search(/WARNING: DATA RACE|^panic: |^fatal error: |\bBUG: /m);
    if (at >= 0) throw new Error(`the server has a fault of its own:\n${log.slice(at, at + 8_000)}`);
  }

  log() { return readFileSync(this.logFile, 'utf8'); }

  api(key = apiKey, secret = apiSecret) {
    return new RoomServiceClient(this.url, key, secret, { requestTimeout: 10 });
  }
}

/** Whether a server answers at url, whoever signed its certificate. */
function answers(url) {
  const { get } = url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    get(url, { rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).once('error', reject);
  });
}

/** A port that was free a moment ago, none of those which the system gives to others by itself. */
export async function freePort(kind) {
  for (let tries = 0; ; tries++) {
    const port = randomInt(20_000, 32_000);
    const listener = kind === 'udp' ? createSocket('udp4') : createServer();
    const bound = once(listener, 'listening');
    if (kind === 'udp') listener.bind(port, '127.0.0.1');
    else listener.listen(port, '127.0.0.1');
    try {
      await bound;
    } catch (refused) {
      if (tries < 1000) continue;
      throw refused;
    }
    const closed = once(listener, 'close');
    listener.close();
    await closed;
    return port;
  }
}

/** The first of so many UDP ports in a row that were free a moment ago, none of which the system gives to others by itself. */
export async function freeRange(count) {
  for (let start = 20_000 + (process.pid * 97) % 9_000; ; start = 20_000 + (start + count - 20_000) % 9_000) {
    const sockets = Array.from({ length: count }, () => createSocket('udp4'));
    const bound = await Promise.allSettled(sockets.map((socket, i) => {
      socket.bind(start + i, '127.0.0.1');
      return once(socket, 'listening');
    }));
    for (const socket of sockets) socket.close();
    if (bound.every(({ status }) => status === 'fulfilled')) return start;
  }
}
