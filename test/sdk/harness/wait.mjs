// Waiting on real sockets and processes: always for a condition, never for an
// amount of time, and always with a deadline that says what did not happen.

/** How long a test waits for something that should happen soon, on a machine that is busy with all else. */
export const soon = 45_000;

const pollEvery = 25;

/**
 * Calls probe until it returns something truthy, and returns that.
 * An assertion that throws inside the probe counts as "not yet".
 */
export async function waitFor(what, probe, deadline = soon) {
  const end = Date.now() + deadline;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= end) {
      const detail = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`waited ${deadline} ms for ${what}; last seen: ${detail}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pollEvery));
  }
}

/** Fails with a description when a promise does not settle in time. */
export async function within(what, promise, deadline = soon) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${deadline} ms for ${what}`)), deadline);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
