// What a page is like for those who do not see it well or use no mouse, by axe-core:
// the rules of WCAG 2.2, levels A and AA, that a program can judge.

import assert from 'node:assert/strict';
import axe from 'axe-core';

const levels = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Each rule that the page breaks, and where. */
export async function broken(page, name) {
  await page.evaluate(axe.source);
  // What is faded in has its colours when it is there.
  await page.evaluate(() => Promise.allSettled(document.getAnimations()
    .filter((a) => a.effect?.getComputedTiming().endTime < Infinity).map((a) => a.finished)));
  const { passes, violations } = await page.evaluate(
    (tags) => globalThis.axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] }),
    levels,
  );
  assert.ok(passes.length > 5, `${name}: axe has looked at something`);
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, any }) =>
    `${name}: ${id}: ${help}: ${target.join(' ')}${any[0]?.message ? ` (${any[0].message})` : ''}`));
}
