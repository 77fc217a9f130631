// A participant on the Go SDK: a process that speaks JSON lines.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import readline from 'node:readline';
import { clips, goParticipant, rollParticipant, toneFile } from './paths.mjs';
import { Recorder } from './recorder.mjs';
import { joinToken } from './tokens.mjs';
import { within } from './wait.mjs';

export class GoParticipant {
  #process;
  #nextId = 1;

  /** Starts program, which is the participant or runs it somewhere else, and joins. */
  static async join(server, room, identity, { connections, ...tokenOptions } = {}, program = goParticipant) {
    const participant = new this();
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

  async order(op, fields = {}) {
    const id = this.#nextId++;
    const from = this.events.list.length;
    this.#process.stdin.write(`${JSON.stringify({ id, op, ...fields })}\n`);
    const reply = await this.events.want('reply', { id }, { from });
    if (reply.error) throw new Error(`Go participant ${this.identity}: ${op}: ${reply.error}`);
    return reply.result;
  }

  publishCamera() { return this.order('publishCamera', { file: clips.video }); }
  publishMicrophone() { return this.order('publishMicrophone', { file: clips.audio }); }
  /** Plays a file that ffmpeg made, once; with a size it is a camera's. */
  publishFile(file, { width = 0, height = 0 } = {}) { return this.order('publishFile', { file, width, height }); }
  /** Writes into a file what came of somebody's camera, in H265. */
  save(identity, file) { return this.order('save', { identity, file }); }
  unpublish(sid) { return this.order('unpublish', { sid }); }
  mute(sid, muted) { return this.order('mute', { sid, muted }); }
  sendData(text, { reliable = true, topic = '', to } = {}) { return this.order('data', { text, reliable, topic, to }); }
  setMetadata(metadata) { return this.order('setMetadata', { metadata }); }
  setName(name) { return this.order('setName', { name }); }
  setAttributes(attributes) { return this.order('setAttributes', { attributes }); }
  listen(topic) { return this.order('listen', { topic }); }

  /** What arrived of a remote track: {packets, frames, keyFrames, bytes}. */
  async received(identity, source) {
    return (await this.order('received'))[`${identity}/${source}`];
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

/** A participant on this repository's own Go client. */
export class RollParticipant extends GoParticipant {
  static join(server, room, identity, options, program = rollParticipant) {
    return super.join(server, room, identity, options, program);
  }

  publishMicrophone() { return this.order('publishMicrophone', { file: toneFile }); }
  answerCalls(method) { return this.order('answerCalls', { method }); }
  call(identity, method, text) { return this.order('call', { identity, method, text }); }
  sendText(text, topic) { return this.order('sendText', { text, topic }); }
  sendBytes(size, topic) { return this.order('sendBytes', { size, topic }); }
}
