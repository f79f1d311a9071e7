// Steps that follow one another, and what comes before and after them. One that is late says what it
// waits for, before the runner ends it without a word.

import * as runner from "node:test";

import { screenshot } from "./browser.mjs";
import { inTime, LATE, watched } from "./waiting.mjs";

/** Seconds beyond the end of a step in which it says why it is late. */
const TO_EXPLAIN = 60;

/**
 * Makes a function like `test` for tests of which each begins where the one before has ended: when
 * one fails the later ones are not tried. `pages` gives the pages to be photographed then.
 */
export function story(pages = () => []) {
  let failed;
  return (name, tell, { seconds } = {}) => {
    const step = async (context) => {
      if (failed) {
        throw new Error(`not tried, as this failed before: ${failed}`);
      }
      failed = name;
      await tell(context);
      failed = undefined;
    };
    test(name, step, { seconds, pages });
  };
}

/** Like `test` of the runner. */
export function test(name, work, { seconds = 180, pages = () => [] } = {}) {
  const photograph = async () => {
    for (const [index, page] of pages().entries()) {
      const picture = `FAILED-${name.replace(/\W+/g, "-")}-${index}`;
      await inTime(10, screenshot(page, picture)).catch(() => {});
    }
  };
  // What a page was asked for fails when it is closed, and its stack says where in the test that was.
  const close = () => Promise.allSettled(pages().map((page) => page.context().close()));
  runner.test(name, limit(seconds), (context) =>
    explained(seconds, () => work(context), { photograph, close }),
  );
}

/** Like `before` of the runner. */
export function before(prepare, { seconds = 120 } = {}) {
  runner.before(() => explained(seconds, prepare), limit(seconds));
}

/** Like `after` of the runner. */
export function after(tidyUp, { seconds = 240 } = {}) {
  runner.after(() => explained(seconds, tidyUp), limit(seconds));
}

const limit = (seconds) => ({ timeout: (seconds + TO_EXPLAIN) * 1000 });
const nothing = async () => {};

async function explained(seconds, work, { photograph = nothing, close = nothing } = {}) {
  const { open, working } = watched(work);
  let outcome;
  try {
    outcome = await inTime(seconds, working);
  } catch (error) {
    await photograph();
    throw error;
  }
  if (outcome === LATE) {
    const what = [`not done after ${seconds} s`, ...open].join(": ");
    await photograph();
    await inTime(10, close());
    const cause = await inTime(10, working).catch((error) => error);
    throw new Error(what, cause instanceof Error ? { cause } : {});
  }
}
