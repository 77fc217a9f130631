// A participant on the SDK for Python: a process that speaks JSON lines.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import readline from 'node:readline';
import { agentPython, suite } from './paths.mjs';
import { Recorder } from './recorder.mjs';
import { joinToken } from './tokens.mjs';
import { within } from './wait.mjs';

const program = path.join(suite, 'pyparticipant', 'participant.py');

export class PyParticipant {
  #process;
  #nextId = 1;

  /** connections: how many peer connections the SDK makes; by itself one. */
  static async join(server, room, identity, { connections, ...tokenOptions } = {}) {
    const participant = new PyParticipant();
    participant.identity = identity;
    participant.events = new Recorder(`Python participant ${identity}`);
    // The SDK logs to standard error what it tells its application anyway.
    const child = spawn(agentPython, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
    participant.#process = child;
    child.stdin.on('error', () => {}); // It may have ended already.
    readline.createInterface({ input: child.stdout }).on('line', (line) => participant.events.push(JSON.parse(line)));
    try {
      const { sid } = await participant.#do('join', server.ws, await joinToken(room, identity, tokenOptions), connections ?? null);
      participant.sid = sid;
    } catch (error) {
      child.kill(); // nobody else has it
      throw error;
    }
    return participant;
  }

  publishMicrophone() { return this.#do('publishMicrophone'); }
  unpublish(sid) { return this.#do('unpublish', sid); }
  mute(sid, muted) { return this.#do('mute', sid, muted); }
  videoFrames(identity) { return this.#do('videoFrames', identity); }
  audioEnergy(identity) { return this.#do('audioEnergy', identity); }

  sendData(text, { topic = '', to = [] } = {}) { return this.#do('sendData', text, topic, to); }
  answerCalls(method) { return this.#do('answerCalls', method); }
  call(identity, method, payload) { return this.#do('call', identity, method, payload); }
  listen(topic) { return this.#do('listen', topic); }
  sendText(text, topic) { return this.#do('sendText', text, topic); }
  sendBytes(size, topic) { return this.#do('sendBytes', size, topic); }

  async #do(op, ...args) {
    const id = this.#nextId++;
    const from = this.events.list.length;
    this.#process.stdin.write(`${JSON.stringify({ id, op, args })}\n`);
    const reply = await this.events.want('reply', { id }, { from, deadline: 30_000 });
    if (reply.error) throw new Error(`Python participant ${this.identity}: ${op}: ${reply.error}`);
    return reply.result;
  }

  /** Leaves the room, or ends the process without a word when hard is set. */
  async leave({ hard = false } = {}) {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    if (hard) this.#process.kill('SIGKILL');
    else this.#process.stdin.end();
    await within(`Python participant ${this.identity} to end`, exited);
  }
}
