// Builds everything and runs the tests, two files at a time: each has servers and
// browsers of its own, and half of the time it waits for something to time out. With
// three, two processors are behind for so long that SDKs miss what they should not.
// Arguments are test files, all without any, and options of node --test.

import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { buildAll } from './build.mjs';
import { suite } from './harness/paths.mjs';
import { conclude, inLanes, said } from './lanes.mjs';

await buildAll();

const options = process.argv.slice(2).filter((word) => word.startsWith('--'));
const named = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const files = named.length ? named : readdirSync(path.join(suite, 'tests'))
  .filter((name) => name.endsWith('.test.mjs'))
  .sort()
  .map((name) => path.join('tests', name));
const first = [
  'roomservice', 'browsers', 'egress', 'mixed', 'accessibility', 'refresh', 'media', 'agents', 'demo',
  'egress-participant', 'client', 'egress-kills', 'kinds', 'ingress', 'restart',
];
const start = (file) => said(spawn(process.execPath, ['--test', '--test-reporter=spec', ...options, file], {
  cwd: suite,
  stdio: ['ignore', 'pipe', 'pipe'],
  // rtc-node logs each of its calls otherwise.
  env: { ...process.env, NODE_ENV: 'production' },
}));
conclude(files, await inLanes(files, { alone: ['egress-web'], lanes: 2, first, start }));
