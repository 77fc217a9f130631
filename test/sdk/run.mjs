// Builds everything and runs the tests, two files at a time: each has servers and
// browsers of its own, and half of the time it waits for something to time out. With
// three, two processors are behind for so long that SDKs miss what they should not.
// Arguments are test files; without any, all of them run.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { buildAll } from './build.mjs';
import { suite } from './harness/paths.mjs';

await buildAll();

const named = process.argv.slice(2);
const files = named.length ? named : readdirSync(path.join(suite, 'tests'))
  .filter((name) => name.endsWith('.test.mjs'))
  .sort()
  .map((name) => path.join('tests', name));
const { status } = spawnSync(
  process.execPath,
  ['--test', '--test-concurrency=2', '--test-reporter=spec', ...files],
  {
    cwd: suite,
    stdio: 'inherit',
    // rtc-node logs each of its calls otherwise.
    env: { ...process.env, NODE_ENV: 'production' },
  },
);
process.exit(status ?? 1);
