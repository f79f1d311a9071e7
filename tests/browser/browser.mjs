// A headless Chromium for the tests, from JANSKY_TEST_CHROMIUM (see tests/services/chromium).

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { chromium } from "playwright-core";

// Nothing but what a test asks for may leave the machine.
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Where screenshots go; not kept in the repository. */
export const OUTPUT = process.env.JANSKY_TEST_OUTPUT ?? join(import.meta.dirname, "../output");

/** Starts a browser; close it with `close()`. */
export async function launch() {
  const executablePath = process.env.JANSKY_TEST_CHROMIUM;
  if (!executablePath) {
    throw new Error("JANSKY_TEST_CHROMIUM is not set; run `tests/services/chromium start DIR`");
  }
  return chromium.launch({ executablePath, args: FLAGS });
}

/**
 * Opens a page in a browser session of its own: other sessions do not see its cookies.
 *
 * `page.problems` collects what a reader of the console would worry about: uncaught errors, broken
 * rules of the content security policy, and answers with a status of 500 and above.
 */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      page.problems.push(`console: ${message.text()}`);
    }
  });
  page.on("response", (response) => {
    if (response.status() >= 500) {
      page.problems.push(`${response.status()}: ${new URL(response.url()).pathname}`);
    }
  });
  return page;
}

/** Keeps a picture of the page as `NAME.png` among the test output. */
export async function screenshot(page, name) {
  mkdirSync(OUTPUT, { recursive: true });
  const path = join(OUTPUT, `${name}.png`);
  await page.screenshot({ path });
  return path;
}

/**
 * Keeps four pictures of a page of the hub, on a phone and on a desk, by day and by night, and
 * fails if the page does not fit.
 */
export async function look(page, name) {
  const usual = page.viewportSize();
  for (const [size, width, height] of [
    ["phone", 360, 740],
    ["desk", 1280, 800],
  ]) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await screenshot(page, `${name}-${size}-${colorScheme}`);
    }
    const excess = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.equal(excess, 0, `${name} is ${excess} px too wide for a ${size}`);
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(usual);
}

/**
 * Makes a function like `test` for tests of which each begins where the one before has ended: when
 * one fails the later ones are not tried. `pages` gives the pages to be photographed then.
 */
export function story(pages = () => []) {
  let failed;
  return (name, tell, { seconds = 120 } = {}) =>
    test(name, { timeout: seconds * 1000 }, async (context) => {
      if (failed) {
        throw new Error(`not tried, as this failed before: ${failed}`);
      }
      try {
        failed = name;
        await tell(context);
        failed = undefined;
      } catch (error) {
        for (const [index, page] of pages().entries()) {
          const picture = `FAILED-${name.replace(/\W+/g, "-")}-${index}`;
          await screenshot(page, picture).catch(() => {});
        }
        throw error;
      }
    });
}

/**
 * Asks `look` again and again until it returns something true; fails with `what` at the end, and
 * at once when an assertion in `look` says that there is nothing to wait for.
 */
export async function until(what, look, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  let problem;
  for (;;) {
    try {
      const found = await look();
      if (found) {
        return found;
      }
    } catch (error) {
      if (error instanceof assert.AssertionError) {
        throw error;
      }
      problem = error;
    }
    if (Date.now() > end) {
      throw new Error(`waited ${seconds} s: ${what}`, { cause: problem });
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
