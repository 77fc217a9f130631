// A participant on the Go SDK: a process that speaks JSON lines.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import readline from 'node:readline';
import { clips, goParticipant } from './paths.mjs';
import { Recorder } from './recorder.mjs';
import { joinToken } from './tokens.mjs';
import { within } from './wait.mjs';

export class GoParticipant {
  #process;
  #nextId = 1;

  /** Starts program, which is the participant or runs it somewhere else, and joins. */
  static async join(server, room, identity, { connections, ...tokenOptions } = {}, program = goParticipant) {
    const participant = new GoParticipant();
    await participant.#start(program, server, await joinToken(room, identity, tokenOptions), identity, connections);
    return participant;
  }

  async #start(program, server, token, identity, connections) {
    this.identity = identity;
    this.events = new Recorder(`Go participant ${identity}`);
    const mode = connections === 1 ? ['-single'] : [];
    this.#process = spawn(program, ['-url', server.ws, '-token', token, ...mode], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process.stdin.on('error', () => {}); // It may have ended already.
    readline.createInterface({ input: this.#process.stdout }).on('line', (line) => this.events.push(JSON.parse(line)));
    const first = await this.events.want(['connected', 'failed']);
    if (first.event === 'failed') throw new Error(`Go participant ${identity}: ${first.message}`);
    this.sid = first.sid;
  }

  async #do(op, fields = {}) {
    const id = this.#nextId++;
    const from = this.events.list.length;
    this.#process.stdin.write(`${JSON.stringify({ id, op, ...fields })}\n`);
    const reply = await this.events.want('reply', { id }, { from });
    if (reply.error) throw new Error(`Go participant ${this.identity}: ${op}: ${reply.error}`);
    return reply.result;
  }

  publishCamera() { return this.#do('publishCamera', { file: clips.video }); }
  publishMicrophone() { return this.#do('publishMicrophone', { file: clips.audio }); }
  unpublish(sid) { return this.#do('unpublish', { sid }); }
  mute(sid, muted) { return this.#do('mute', { sid, muted }); }
  sendData(text, { reliable = true, topic = '', to } = {}) { return this.#do('data', { text, reliable, topic, to }); }
  setMetadata(metadata) { return this.#do('setMetadata', { metadata }); }
  setName(name) { return this.#do('setName', { name }); }
  setAttributes(attributes) { return this.#do('setAttributes', { attributes }); }

  /** What arrived of a remote track: {packets, frames, keyFrames, bytes}. */
  async received(identity, source) {
    return (await this.#do('received'))[`${identity}/${source}`];
  }

  async videoFrames(identity) { return (await this.received(identity, 'camera'))?.frames ?? 0; }
  async audioEnergy(identity) { return (await this.received(identity, 'microphone'))?.bytes ?? 0; }

  /** Leaves the room, or ends the process without a word when hard is set. */
  async leave({ hard = false } = {}) {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    if (hard) this.#process.kill('SIGKILL');
    else this.#process.stdin.end();
    await within(`Go participant ${this.identity} to end`, exited);
  }
}
