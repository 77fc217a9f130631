// A participant on an SDK around LiveKit's Rust core, in the core's own language or
// another: a process that speaks JSON lines.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import readline from 'node:readline';
import { Recorder } from './recorder.mjs';
import { joinToken } from './tokens.mjs';
import { within } from './wait.mjs';

/** Who extends it has static language, and command: the program and its arguments. */
export class FfiParticipant {
  #process;
  #nextId = 1;

  /** connections: how many peer connections the SDK makes; by itself one. */
  static async join(server, room, identity, { connections, ...tokenOptions } = {}) {
    const participant = new this();
    participant.identity = identity;
    participant.name = `${this.language} participant ${identity}`;
    participant.events = new Recorder(participant.name);
    const [program, ...args] = this.command;
    // The SDK logs to standard error what it tells its application anyway.
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    participant.#process = child;
    child.stdin.on('error', () => {}); // It may have ended already.
    readline.createInterface({ input: child.stdout }).on('line', (line) => participant.events.push(JSON.parse(line)));
    try {
      const { sid } = await participant.order('join', server.ws, await joinToken(room, identity, tokenOptions), connections ?? null);
      participant.sid = sid;
    } catch (error) {
      child.kill(); // nobody else has it
      throw error;
    }
    return participant;
  }

  publishMicrophone() { return this.order('publishMicrophone'); }
  unpublish(sid) { return this.order('unpublish', sid); }
  mute(sid, muted) { return this.order('mute', sid, muted); }
  videoFrames(identity) { return this.order('videoFrames', identity); }
  audioEnergy(identity) { return this.order('audioEnergy', identity); }
  sendData(text, { topic = '', to = [] } = {}) { return this.order('sendData', text, topic, to); }

  async order(op, ...args) {
    const id = this.#nextId++;
    const from = this.events.list.length;
    this.#process.stdin.write(`${JSON.stringify({ id, op, args })}\n`);
    const reply = await this.events.want('reply', { id }, { from, deadline: 30_000 });
    if (reply.error) throw new Error(`${this.name}: ${op}: ${reply.error}`);
    return reply.result;
  }

  /** Leaves the room, or ends the process without a word when hard is set. */
  async leave({ hard = false } = {}) {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    if (hard) this.#process.kill('SIGKILL');
    else this.#process.stdin.end();
    await within(`${this.name} to end`, exited);
  }
}
