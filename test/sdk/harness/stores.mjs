// A store of objects that speaks S3 (versitygw, which scripts/stores.sh gets): what it
// takes lies in a directory.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './server.mjs';
import { waitFor } from './wait.mjs';

const program = fileURLToPath(new URL('../../../out/tools/usr/bin/versitygw', import.meta.url));

export class S3Server {
  #process;

  accessKey = 'AKIAROLLCALLTEST';
  secret = 'storeSecretThatNobodyTells';

  /** Starts a server with these buckets. */
  static async start(...buckets) {
    if (!existsSync(program)) throw new Error(`${program} is missing: run scripts/stores.sh`);
    const store = new S3Server();
    store.dir = mkdtempSync(path.join(os.tmpdir(), 'rollcall-s3-'));
    for (const bucket of buckets) mkdirSync(path.join(store.dir, 'buckets', bucket), { recursive: true });
    mkdirSync(path.join(store.dir, 'meta'));
    store.port = await freePort('tcp');
    store.url = `http://127.0.0.1:${store.port}`;
    await store.run();
    return store;
  }

  async run() {
    this.#process = spawn(program, [
      '--port', `127.0.0.1:${this.port}`, '--access', this.accessKey, '--secret', this.secret, '--quiet',
      'posix', '--sidecar', path.join(this.dir, 'meta'), path.join(this.dir, 'buckets'),
    ], { stdio: 'ignore' });
    await waitFor('the store to listen', () => new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
      socket.once('error', () => resolve(false));
    }));
  }

  /** Ends the process; what it has stays. */
  async end() {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  /** Where an object lies. */
  at(bucket, name) { return path.join(this.dir, 'buckets', bucket, name); }

  async close() {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await this.end();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
