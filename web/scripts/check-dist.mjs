// Builds the page into a temporary folder and compares it with dist, byte for
// byte: the committed page is what these sources and this lock file make.
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';

const root = join(import.meta.dirname, '..');
const outDir = mkdtempSync(join(tmpdir(), 'rollcall-web-'));
try {
  await build({ root, logLevel: 'warn', build: { outDir, emptyOutDir: true } });
  const list = (dir) =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
      .sort();
  const want = list(outDir);
  const have = list(join(root, 'dist'));
  const differing = [...new Set([...want, ...have])].filter(
    (name) =>
      !want.includes(name) ||
      !have.includes(name) ||
      !readFileSync(join(outDir, name)).equals(readFileSync(join(root, 'dist', name))),
  );
  if (differing.length > 0) {
    console.error(`dist is not what the sources build:\n  ${differing.join('\n  ')}\nRun 'npm run build' in web/ and commit dist.`);
    process.exitCode = 1;
  } else {
    console.log(`dist is what the sources build (${want.length} files)`);
  }
} finally {
  rmSync(outDir, { recursive: true, force: true });
}
