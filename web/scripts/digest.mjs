// The digests that tie dist to the sources it was built from. fresh_test.go
// computes the same two, so change both together: each file contributes the
// line "<sha256 of its bytes>  <path with slashes>\n", lines sorted by path in
// byte order, and the digest is the sha256 of all the lines.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

// What the build reads: single files, and whole folders.
const files = ['index.html', 'package.json', 'package-lock.json', 'tsconfig.json', 'vite.config.ts'];
const folders = ['dashboard', 'public', 'scripts', 'src'];

// Where the build writes the digests, inside dist.
export const recordName = '.sources';

function walk(root, folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    return entry.isDirectory() ? walk(root, path) : [path];
  });
}

function digest(root, paths) {
  const lines = paths
    .map((path) => [Buffer.from(path), createHash('sha256').update(readFileSync(join(root, path))).digest('hex')])
    .sort(([a], [b]) => Buffer.compare(a, b))
    .map(([path, sum]) => `${sum}  ${path}\n`);
  return createHash('sha256').update(lines.join('')).digest('hex');
}

// sourcesDigest covers everything the build reads. Tests do not enter it.
export function sourcesDigest(root) {
  const read = folders.flatMap((folder) => walk(root, folder));
  return digest(root, [...files, ...read.filter((path) => !path.endsWith('.test.ts'))]);
}

// outputDigest covers everything the build wrote but the record itself.
export function outputDigest(dist) {
  return digest(dist, walk(dist, '').filter((path) => path !== recordName));
}

export function record(root, dist) {
  return `sources ${sourcesDigest(root)}\noutput ${outputDigest(dist)}\n`;
}
