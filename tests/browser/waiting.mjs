// Waiting that has an end and says what it has waited for.

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";

/** The outcome of what was not there in time. */
export const LATE = Symbol("late");

/** What is being waited for at this moment, in the work that was started by `watched`. */
const waits = new AsyncLocalStorage();

/**
 * Asks `look` again and again until it returns something true; fails with `what` at the end, and
 * at once when an assertion in `look` says that there is nothing to wait for.
 */
export async function until(what, look, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  return waiting(what, async () => {
    let problem;
    do {
      try {
        const found = await inTime((end - Date.now()) / 1000, answer(look));
        if (found === LATE) {
          problem = new Error("the last look was not answered", { cause: problem });
        } else if (found) {
          return found;
        }
      } catch (error) {
        if (error instanceof assert.AssertionError) {
          throw error;
        }
        problem = error;
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    } while (Date.now() <= end);
    throw new Error(`waited ${seconds} s: ${what}`, { cause: problem });
  });
}

/** Waits for something that has no end of its own; fails with `what` at the end. */
export function within(seconds, what, promise) {
  return waiting(what, async () => {
    const outcome = await inTime(seconds, promise);
    if (outcome === LATE) {
      throw new Error(`waited ${seconds} s: ${what}`);
    }
    return outcome;
  });
}

/** The outcome of a promise, or `LATE`. */
export async function inTime(seconds, promise) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, Math.max(0, seconds) * 1000, LATE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Begins some work; `open` has at any moment what it waits for. */
export function watched(work) {
  const open = new Set();
  return { open, working: waits.run(open, () => answer(work)) };
}

async function waiting(what, wait) {
  const open = waits.getStore();
  open?.add(what);
  try {
    return await wait();
  } finally {
    open?.delete(what);
  }
}

// Also what is thrown before anything was waited for is an outcome.
async function answer(work) {
  return work();
}
