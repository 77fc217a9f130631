// Builds everything and runs each test file in a network of its own. Arguments
// are test files, all without any, and options of node --test.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { buildAll } from '../sdk/build.mjs';
import { repository } from '../sdk/harness/paths.mjs';
import { conclude, inLanes, said } from '../sdk/lanes.mjs';
import { out, suite, wire } from './harness/paths.mjs';

const root = process.getuid() === 0;

requireTools();
await buildAll();
mkdirSync(out, { recursive: true });
build('./test/net/wire', wire);

// Most files wait for timeouts of clients and servers most of the time; each has a
// network of its own. In one, every SDK and two browsers decode video at the same time.
const alone = ['events'];
const lanes = 2;

const options = process.argv.slice(2).filter((word) => word.startsWith('--'));
const named = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const files = named.length ? named : readdirSync(path.join(suite, 'tests'))
  .filter((name) => name.endsWith('.test.mjs'))
  .sort()
  .map((name) => path.join('tests', name));
const first = ['turn', 'reconnect', 'quality'];
const start = (file) => said(spawn('unshare', [...inside(), process.execPath, 'inside.mjs', ...options, file], {
  cwd: suite, stdio: ['ignore', 'pipe', 'pipe'],
}));
conclude(files, await inLanes(files, { alone, lanes, first, start }));

// What runs inside sees its own network and processes only, and ends with us.
function inside() {
  return [
    ...(root ? [] : ['--map-root-user']),
    '--net', '--mount', '--pid', '--mount-proc', '--fork', '--kill-child=SIGKILL', '--',
  ];
}

function requireTools() {
  const missing = ['unshare', 'nsenter', 'ip', 'nft'].filter((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
  if (missing.length) fail(`missing ${missing.join(', ')}: install util-linux, iproute2 and nftables`);
  if (!existsSync('/dev/net/tun')) fail('missing /dev/net/tun: the cables are made of it');
  const probe = spawnSync('unshare', [...inside(), 'true'], { encoding: 'utf8' });
  if (probe.status !== 0) {
    fail(`cannot make a network namespace (${probe.stderr.trim()}): run as root, or allow user namespaces`);
  }
}

function build(pkg, out) {
  const { status } = spawnSync('go', ['build', '-o', out, pkg], { cwd: repository, stdio: 'inherit' });
  if (status !== 0) fail(`cannot build ${pkg}`);
}

function fail(message) {
  console.error(`test/net: ${message}`);
  process.exit(1);
}
