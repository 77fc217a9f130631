// Where things are; everything a run makes goes to the ignored out directory.

import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { repository } from '../../sdk/harness/paths.mjs';

export const suite = fileURLToPath(new URL('..', import.meta.url));
export const out = path.join(repository, 'out', 'net');
export const wire = path.join(out, 'wire');
