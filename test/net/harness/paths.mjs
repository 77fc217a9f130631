// Where things are; what is built goes to the ignored out directory.

import { fileURLToPath } from 'node:url';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { repository } from '../../sdk/harness/paths.mjs';

export const suite = fileURLToPath(new URL('..', import.meta.url));
export const out = path.join(repository, 'out', 'net');
export const wire = path.join(out, 'wire');

/** For the files of this process, gone with it. */
export const scratch = mkdtempSync(path.join(os.tmpdir(), 'rollcall-net-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
