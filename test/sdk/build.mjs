// Builds what the tests drive: the server, the programs in Go and Rust, the test pages and
// the clips. Run by run.mjs; the outputs are in the ignored out directory. With
// ROLLCALL_BUILT that was done, and others use it.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { Browser } from './harness/browser.mjs';
import {
  agentPython, clientPage, clips, goParticipant, ingressCalls, out, repository, rollParticipant, rustTarget, serverBinary, suite, tone,
  webhookVerify,
} from './harness/paths.mjs';

export async function buildAll() {
  if (process.env.ROLLCALL_BUILT) return;
  mkdirSync(clientPage, { recursive: true });
  const rust = buildRust(); // beside the others: nothing of them needs it
  rust.catch(() => {}); // told below
  if (!process.env.ROLLCALL_SERVER_COMMAND) {
    buildOurs(serverBinary, './cmd/rollcall');
  }
  buildOurs(rollParticipant, './test/sdk/rollparticipant');
  const goModule = path.join(suite, 'goparticipant');
  run('go', ['build', '-o', goParticipant, '.'], goModule);
  run('go', ['build', '-o', webhookVerify, './webhookverify'], goModule);
  run('go', ['build', '-o', ingressCalls, './ingresscalls'], goModule);
  await build({
    entryPoints: ['participant.js', 'clips.js', 'components.jsx'].map((file) => path.join(suite, 'page', file)),
    outdir: clientPage,
    bundle: true,
    format: 'esm',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"production"' },
    logLevel: 'warning',
  });
  // The sample of docs/ui/react.md, as it is shown there.
  const sample = path.join(repository, 'examples/react');
  await build({
    entryPoints: [path.join(sample, 'src/main.jsx')],
    outfile: path.join(clientPage, 'main.js'),
    bundle: true,
    format: 'esm',
    jsx: 'automatic',
    nodePaths: [path.join(suite, 'node_modules')],
    define: { 'process.env.NODE_ENV': '"production"' },
    logLevel: 'warning',
  });
  copyFileSync(path.join(sample, 'public/index.html'), path.join(clientPage, 'react.html'));
  for (const file of ['index.html', 'components.html']) copyFileSync(path.join(suite, 'page', file), path.join(clientPage, file));
  copyFileSync(path.join(suite, 'node_modules/livekit-client/dist/livekit-client.e2ee.worker.js'), path.join(clientPage, 'e2ee.worker.js'));
  writeFileSync(path.join(clientPage, 'clips.html'), '<!doctype html><script type="module" src="clips.js"></script>');
  writeFileSync(tone, wav(440, 2));
  await recordClips();
  await rust;
}

// With the Rust SDK as the one for Python has it, so with its packages installed.
async function buildRust() {
  const args = ['build', '--quiet', '--locked', '--manifest-path', path.join(suite, 'rustparticipant', 'Cargo.toml')];
  const cargo = spawn('cargo', args, {
    stdio: 'inherit', env: { ...process.env, CARGO_TARGET_DIR: rustTarget, ROLLCALL_AGENT_PYTHON: agentPython },
  });
  const [status] = await once(cargo, 'exit').catch((error) => {
    throw new Error(error.code === 'ENOENT' ? 'cargo is missing: install Rust 1.85 or newer, for test/sdk/rustparticipant' : error.message);
  });
  if (status !== 0) throw new Error(`cargo ${args.join(' ')}: exit ${status}; scripts/test.sh installs the packages of ${agentPython}`);
}

async function recordClips() {
  const browser = await Browser.start();
  try {
    const page = await browser.testPage('clips.html');
    writeFileSync(clips.video, Buffer.from(await page.evaluate(() => window.videoClip()), 'base64'));
    writeFileSync(clips.audio, Buffer.from(await page.evaluate(() => window.audioClip()), 'base64'));
  } finally {
    await browser.close();
  }
}

// A sine tone as a WAV file: mono, 16 bits, 48 kHz.
function wav(hertz, seconds) {
  const rate = 48_000;
  const size = rate * seconds * 2;
  const file = Buffer.alloc(44 + size);
  file.write('RIFF', 0);
  file.writeUInt32LE(36 + size, 4);
  file.write('WAVEfmt ', 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20); // PCM
  file.writeUInt16LE(1, 22); // mono
  file.writeUInt32LE(rate, 24);
  file.writeUInt32LE(rate * 2, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36);
  file.writeUInt32LE(size, 40);
  for (let i = 0; i < size / 2; i++) {
    file.writeInt16LE(Math.round(10_000 * Math.sin((2 * Math.PI * hertz * i) / rate)), 44 + i * 2);
  }
  return file;
}

// With the race detector, which wants cgo, as go test builds: what that has compiled is used.
function buildOurs(binary, pkg) {
  const race = process.env.ROLLCALL_RACE ? ['-race', '-trimpath=false'] : [];
  run('go', ['build', ...race, '-o', binary, pkg], repository, race.length ? { CGO_ENABLED: '1' } : {});
}

function run(command, args, cwd, env = {}) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit', env: { ...process.env, ...env } });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? `exit ${status}`}`);
}
