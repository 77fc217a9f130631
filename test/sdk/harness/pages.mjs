// The pages of the test participants, on loopback over plain HTTP: a secure
// context, so that camera and microphone work. Run by itself, it serves until
// its standard input ends and prints its port: for a browser in another network.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { clientPage } from './paths.mjs';

const self = fileURLToPath(import.meta.url);
const types = { '.html': 'text/html', '.js': 'text/javascript' };

/** Serves the pages; returns {port, close}. */
export async function servePages() {
  const server = createServer(async (request, response) => {
    const file = path.join(clientPage, path.basename(new URL(request.url, 'http://page').pathname));
    try {
      const body = await readFile(file);
      response.writeHead(200, { 'content-type': types[path.extname(file)] ?? 'application/octet-stream' });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: server.address().port,
    async close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Serves the pages on the loopback device of the network namespace at namespace, a path. */
export async function servePagesIn(namespace) {
  const child = spawn('nsenter', [`--net=${namespace}`, '--', process.execPath, self], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [port] = await once(child.stdout, 'data');
  return {
    port: Number(port),
    async close() {
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    },
  };
}

if (process.argv[1] === self) {
  const pages = await servePages();
  process.stdout.write(`${pages.port}\n`);
  process.stdin.on('end', () => pages.close()).resume();
}
