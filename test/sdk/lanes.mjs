// Runs test files side by side, in lanes: each lane takes the next file when its last
// one has ended. What a file says is printed as a whole.
//
// Lanes save time, and judge nobody: browsers and SDKs keep times of their own, which a
// machine that runs another browser beside them may not. A file that fails in a lane is
// run again when the lanes are empty, and is told of at the end, whatever comes of it.
// What fails there in a few of many runs is a defect, as anywhere else.

import path from 'node:path';

const mostAgain = 4; // of more than so many it is not the machine that fails them

/**
 * alone: names of files that need the whole machine, which run before the others, one at
 * a time; lanes: how many of the others at a time; first: names of files that take
 * long, longest first, so that none of them is left to run alone at the end; start: runs
 * one file, and resolves to {code, output}. Resolves to {failed, again}: the files that
 * failed, and those that failed in a lane and passed by themselves.
 */
export async function inLanes(files, { alone, lanes, first, start }) {
  const rank = (file) => {
    const i = first.indexOf(path.basename(file, '.test.mjs'));
    return i < 0 ? first.length : i;
  };
  const lane = async (waiting, failed) => {
    while (waiting.length) {
      const file = waiting.shift();
      const began = Date.now();
      const { code, output } = await start(file);
      process.stdout.write(`--- ${file} (${Math.round((Date.now() - began) / 1000)} s)\n`);
      process.stdout.write(output);
      if (code !== 0) failed.push(file);
    }
  };
  const isAlone = (file) => alone.includes(path.basename(file, '.test.mjs'));
  const failed = [];
  await lane(files.filter(isAlone), failed);
  const others = files.filter((file) => !isAlone(file)).sort((a, b) => rank(a) - rank(b));
  const doubtful = [];
  await Promise.all(Array.from({ length: lanes }, () => lane(others, doubtful)));
  if (doubtful.length > mostAgain) return { failed: [...failed, ...doubtful], again: [] };
  for (const file of doubtful) process.stdout.write(`again, by itself: ${file}\n`);
  const still = [];
  await lane([...doubtful], still);
  return { failed: [...failed, ...still], again: doubtful.filter((file) => !still.includes(file)) };
}

/** Collects what a process says; resolves to {code, output} when it has ended. */
export function said(child) {
  const chunks = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk));
  return new Promise((resolve) => {
    child.once('close', (code) => resolve({ code, output: Buffer.concat(chunks) }));
  });
}

/** Says how it went, and ends. */
export function conclude(files, { failed, again }) {
  for (const file of again) console.log(`failed beside others, passed by itself: ${file}`);
  for (const file of failed) console.log(`failed: ${file}`);
  console.log(`${files.length - failed.length} passed, ${failed.length} failed`);
  process.exitCode = failed.length || files.length === 0 ? 1 : 0;
}
