// A WebDriver BiDi connection to a browser, which may be in a network namespace
// of its own: one line for each message, over the pipes of a process that runs
// there. Run by itself, it is that process.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import readline from 'node:readline';
import WebSocket from 'ws';

const self = fileURLToPath(import.meta.url);

/** A transport for puppeteer to the browser at url; namespace: path of the network namespace that it is in. */
export async function connect(url, namespace) {
  const there = namespace ? ['nsenter', `--net=${namespace}`, '--'] : [];
  const [file, ...args] = [...there, process.execPath, self, url];
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => {}); // It may have ended already.
  const transport = {
    send: (message) => child.stdin.write(`${message}\n`),
    close: () => child.stdin.end(),
  };
  const lines = readline.createInterface({ input: child.stdout });
  const [first] = await Promise.race([once(lines, 'line'), once(child, 'exit')]);
  if (first !== 'open') throw new Error(`cannot connect to the browser at ${url}`);
  lines.on('line', (message) => transport.onmessage?.(message));
  child.once('exit', () => transport.onclose?.());
  return transport;
}

if (process.argv[1] === self) {
  const socket = new WebSocket(process.argv[2], { perMessageDeflate: false, maxPayload: 256 << 20 });
  await once(socket, 'open');
  process.stdout.write('open\n');
  socket.on('message', (message) => process.stdout.write(`${message}\n`));
  socket.on('close', () => process.exit());
  readline.createInterface({ input: process.stdin })
    .on('line', (message) => socket.send(message))
    .on('close', () => socket.close());
}
