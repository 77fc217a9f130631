// The network that the tests run in: a hub, where the server is, and places
// behind cables.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { within } from '../../sdk/harness/wait.mjs';
import { scratch, wire } from './paths.mjs';

/** Where the server is, for every place. */
export const hub = { ipv4: '10.77.0.1', ipv6: 'fd77::1' };

/** Makes the hub, in a network namespace that has nothing but its loopback device. */
export function layOut() {
  const devices = JSON.parse(run('ip', '-j', 'link')).map((link) => link.ifname).filter((name) => !isModuleDevice(name));
  if (devices.some((name) => name !== 'lo')) {
    throw new Error(`there is more than loopback here (${devices.join(', ')}): start the tests with test/net/run.mjs`);
  }
  mkdirSync('/run/netns', { recursive: true });
  run('mount', '-t', 'tmpfs', 'netns', '/run/netns');
  run('ip', 'link', 'set', 'lo', 'up');
  run('ip', 'link', 'add', 'lan', 'type', 'bridge');
  run('ip', 'addr', 'add', `${hub.ipv4}/16`, 'dev', 'lan');
  run('ip', 'addr', 'add', `${hub.ipv6}/64`, 'dev', 'lan', 'nodad');
  run('ip', 'link', 'set', 'lan', 'up');
}

// Some kernels put devices of loaded modules into every new namespace.
function isModuleDevice(name) {
  return /^(ifb|dummy|tunl|gre|gretap|erspan|sit|ip6tnl|ip6gre|ip_vti|ip6_vti|teql|bonding_masters)/.test(name);
}

let places = 0;

/** A namespace with one device, eth0, on a cable to the hub. */
export class Place {
  #cable;
  #nextId = 1;
  #asked = new Map(); // id -> resolve
  #number = ++places;
  #address = 0; // how often it has moved

  static async make(name) {
    const place = new Place();
    place.name = `${name}-${process.pid}-${place.#number}`;
    place.path = `/run/netns/${place.name}`;
    run('ip', 'netns', 'add', place.name);
    await place.#connect();
    return place;
  }

  async #connect() {
    const outside = `w${process.pid}-${this.#number}`;
    this.#cable = spawn(wire, ['-namespace', this.path, '-outside', outside], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#cable.stdin.on('error', () => {}); // It may have ended already.
    const ready = new Promise((resolve) => { this.#asked.set(0, resolve); });
    readline.createInterface({ input: this.#cable.stdout }).on('line', (line) => {
      const answer = JSON.parse(line);
      this.#asked.get(answer.id)?.(answer);
      this.#asked.delete(answer.id);
    });
    await within(`the cable to ${this.name}`, ready);
    run('ip', 'link', 'set', outside, 'master', 'lan', 'up');
    this.ip('link', 'set', 'lo', 'up');
    await this.device('up');
  }

  /** The address of the device now. */
  get ipv4() { return `10.77.${1 + (process.pid % 250)}.${this.#number * 8 + this.#address}`; }
  get ipv6() { return `fd77::${process.pid.toString(16)}:${(this.#number * 8 + this.#address).toString(16)}`; }

  /** Changes what the cable does; up is away from here. See test/net/wire. */
  async set({ up, down }) { return this.#ask({ up, down }); }

  /** Makes the cable perfect. */
  async mend() {
    const perfect = { delayMs: 0, jitterMs: 0, loss: 0, rate: 0, queue: 0, cut: false };
    return this.#ask({ up: perfect, down: perfect });
  }

  /** Lets nothing through, either way; the device does not notice. */
  async cut() { return this.#ask({ up: { cut: true }, down: { cut: true } }); }

  /** What went through the cable and what did not: {up, down}. */
  async counts() { return this.#ask({}); }

  async #ask(command) {
    const id = this.#nextId++;
    const answer = new Promise((resolve) => { this.#asked.set(id, resolve); });
    this.#cable.stdin.write(`${JSON.stringify({ id, ...command })}\n`);
    const { error, ...rest } = await within(`the cable to ${this.name} to answer`, answer);
    if (error) throw new Error(`cable to ${this.name}: ${error}`);
    return rest;
  }

  /** Takes the device down, or up again with its addresses and routes. */
  async device(state) {
    this.ip('link', 'set', 'eth0', state);
    if (state !== 'up') return;
    this.ip('addr', 'replace', `${this.ipv4}/16`, 'dev', 'eth0');
    this.ip('addr', 'replace', `${this.ipv6}/64`, 'dev', 'eth0', 'nodad');
    this.ip('route', 'replace', 'default', 'via', hub.ipv4);
    this.ip('-6', 'route', 'replace', 'default', 'via', hub.ipv6);
  }

  /** Moves to another network: the device goes down and comes back with other addresses. */
  async readdress() {
    await this.device('down');
    this.ip('addr', 'flush', 'dev', 'eth0');
    this.#address++;
    await this.device('up');
  }

  /** Drops, both ways, what matches one of these; a match is in the words of nftables, as seen by what leaves here. */
  async block(...matches) {
    const there = matches.map((match) => `${match} drop`);
    const back = matches.map((match) => `${match.replaceAll('dport', 'sport').replaceAll('daddr', 'saddr')} drop`);
    this.nft('wall', `table inet wall
delete table inet wall
table inet wall {
  chain there { type filter hook output priority 0; ${there.join('; ')}; }
  chain back { type filter hook input priority 0; ${back.join('; ')}; }
}`);
  }

  async unblock() { this.nft('wall', 'table inet wall\ndelete table inet wall'); }

  /** Loads a script of nftables, in the place or here, at the hub. */
  nft(what, script, { here = false } = {}) {
    const command = ['nft', '-f', writeScript(`${this.name}-${what}`, script)];
    if (here) run(...command);
    else this.run(...command);
  }

  /** Runs a command here and returns its output. */
  run(...command) { return run('nsenter', `--net=${this.path}`, '--', ...command); }

  ip(...args) { return this.run('ip', ...args); }

  /** A file that runs command here, for what wants to start one file. */
  launcher(command) {
    const file = path.join(scratch, `${path.basename(command)}-${this.name}`);
    writeFileSync(file, `#!/bin/sh\nexec nsenter --net=${this.path} -- ${command} "$@"\n`);
    chmodSync(file, 0o755);
    return file;
  }

  async close() {
    const ended = once(this.#cable, 'exit');
    this.#cable.stdin.end();
    await within(`the cable to ${this.name} to end`, ended);
    run('ip', 'netns', 'delete', this.name);
  }
}

function writeScript(name, text) {
  const file = path.join(scratch, `${name}.nft`);
  writeFileSync(file, text);
  return file;
}

/** Runs a command at the hub and returns its output. */
export function run(command, ...args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? (stderr.trim() || `exit ${status}`)}`);
  return stdout;
}
