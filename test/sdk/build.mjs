// Builds what the tests drive: the server, the Go programs, the test pages and
// the clips. Run by run.mjs; the outputs are in the ignored out directory.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { Browser } from './harness/browser.mjs';
import { clientPage, clips, goParticipant, out, repository, serverBinary, suite, webhookVerify } from './harness/paths.mjs';

export async function buildAll() {
  mkdirSync(clientPage, { recursive: true });
  if (!process.env.ROLLCALL_SERVER_COMMAND) {
    const race = process.env.ROLLCALL_RACE ? ['-race'] : [];
    run('go', ['build', ...race, '-o', serverBinary, './cmd/rollcall'], repository);
  }
  const goModule = path.join(suite, 'goparticipant');
  run('go', ['build', '-o', goParticipant, '.'], goModule);
  run('go', ['build', '-o', webhookVerify, './webhookverify'], goModule);
  await build({
    entryPoints: [path.join(suite, 'page/participant.js'), path.join(suite, 'page/clips.js')],
    outdir: clientPage,
    bundle: true,
    format: 'esm',
    logLevel: 'warning',
  });
  copyFileSync(path.join(suite, 'page/index.html'), path.join(clientPage, 'index.html'));
  writeFileSync(path.join(clientPage, 'clips.html'), '<!doctype html><script type="module" src="clips.js"></script>');
  await recordClips();
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

function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? `exit ${status}`}`);
}
