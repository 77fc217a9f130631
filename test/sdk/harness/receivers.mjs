// Who takes streams: nginx with its RTMP module, and ffmpeg as a listener for SRT.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from './wait.mjs';

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** An nginx that records what is published to rtmp://…/live/<key>, as FLV. */
export class RtmpServer {
  static async start() {
    const s = new RtmpServer();
    s.directory = mkdtempSync(join(tmpdir(), 'rollcall-rtmp-'));
    s.port = await freePort();
    await s.run();
    return s;
  }

  url(key) { return `rtmp://127.0.0.1:${this.port}/live/${key}`; }

  async run() {
    const config = join(this.directory, 'nginx.conf');
    writeFileSync(config, `
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off; master_process off; pid ${this.directory}/pid; error_log ${this.directory}/log info;
events { worker_connections 64; }
rtmp { server { listen 127.0.0.1:${this.port}; application live { live on; record all; record_path ${this.directory}; record_unique off; } } }
`);
    this.process = spawn('/usr/sbin/nginx', ['-c', config, '-e', join(this.directory, 'log'), '-p', this.directory], { stdio: 'ignore' });
    await waitFor('nginx to listen', () => new Promise((done) => {
      import('node:net').then(({ connect }) => {
        const c = connect(this.port, '127.0.0.1', () => { c.destroy(); done(true); });
        c.on('error', () => done(false));
      });
    }));
  }

  /** The files of what was published with a key. */
  recorded(key) {
    return readdirSync(this.directory).filter((n) => n.startsWith(`${key}`) && n.endsWith('.flv')).map((n) => join(this.directory, n));
  }

  async end() {
    if (this.process.exitCode !== null || this.process.signalCode) return;
    this.process.kill('SIGTERM');
    await once(this.process, 'exit');
  }

  async close() {
    await this.end();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** An ffmpeg that waits for one SRT caller, and writes what comes into a file. */
export async function srtListener(path) {
  const port = await freePort();
  const process = spawn('ffmpeg', ['-v', 'error', '-nostdin', '-i', `srt://127.0.0.1:${port}?mode=listener&timeout=60000000`, '-c', 'copy', '-y', path], { stdio: 'ignore' });
  return { url: `srt://127.0.0.1:${port}?mode=caller`, ended: once(process, 'exit'), kill: () => process.kill('SIGKILL') };
}
