// A participant on @livekit/rtc-node in a place of its own: its SDK is a native
// library, so it gets a process there, which this file is as well.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import { NodeParticipant } from '../../sdk/harness/nodeparticipant.mjs';
import { Recorder } from '../../sdk/harness/recorder.mjs';
import { joinToken } from '../../sdk/harness/tokens.mjs';
import { within } from '../../sdk/harness/wait.mjs';

const self = fileURLToPath(import.meta.url);
const operations = [
  'publishCamera', 'publishMicrophone', 'unpublish', 'sendData', 'setMetadata', 'setName', 'setAttributes', 'simulate',
  'videoFrames', 'audioEnergy',
];

export class RemoteNodeParticipant {
  #process;
  #nextId = 1;

  static async join(server, room, identity, { connections, ...tokenOptions } = {}, place) {
    const participant = new RemoteNodeParticipant();
    participant.identity = identity;
    participant.events = new Recorder(`rtc-node participant ${identity}`);
    const child = spawn('nsenter', [`--net=${place.path}`, '--', process.execPath, self], { stdio: ['pipe', 'pipe', 'inherit'] });
    participant.#process = child;
    child.stdin.on('error', () => {}); // It may have ended already.
    readline.createInterface({ input: child.stdout }).on('line', (line) => participant.events.push(JSON.parse(line)));
    const { sid } = await participant.#do('join', server.ws, await joinToken(room, identity, tokenOptions), identity, connections);
    participant.sid = sid;
    return participant;
  }

  static {
    for (const name of operations) this.prototype[name] = function (...args) { return this.#do(name, ...args); };
  }

  async #do(op, ...args) {
    const id = this.#nextId++;
    const from = this.events.list.length;
    this.#process.stdin.write(`${JSON.stringify({ id, op, args })}\n`);
    const reply = await this.events.want('reply', { id }, { from });
    if (reply.error) throw new Error(`rtc-node participant ${this.identity}: ${op}: ${reply.error}`);
    return reply.result;
  }

  /** Leaves the room, or ends the process without a word when hard is set. */
  async leave({ hard = false } = {}) {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    if (hard) this.#process.kill('SIGKILL');
    else this.#process.stdin.end();
    await within(`rtc-node participant ${this.identity} to end`, exited);
  }
}

async function serve() {
  const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  let participant;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { id, op, args } = JSON.parse(line);
    try {
      let result;
      if (op === 'join') {
        const [url, token, identity, connections] = args;
        participant = await NodeParticipant.enter(url, token, identity, { tell, connections });
        result = { sid: participant.sid };
      } else {
        result = await participant[op](...args);
      }
      tell({ event: 'reply', id, result: result ?? null });
    } catch (error) {
      tell({ event: 'reply', id, error: error.message });
    }
  }
  await participant?.leave();
  await NodeParticipant.dispose();
}

if (process.argv[1] === self) await serve();
