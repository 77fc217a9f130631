// What run.mjs starts in the new namespaces: lays out the hub and runs the test files.

import { spawnSync } from 'node:child_process';
import { layOut } from './harness/network.mjs';

layOut();
const { status } = spawnSync(
  process.execPath,
  ['--test', '--test-concurrency=1', '--test-reporter=spec', ...process.argv.slice(2)],
  // rtc-node logs each of its calls otherwise.
  { stdio: 'inherit', env: { ...process.env, NODE_ENV: 'production', ROLLCALL_NET: 'inside' } },
);
process.exit(status ?? 1);
