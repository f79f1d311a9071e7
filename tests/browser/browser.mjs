// A headless Chromium for the tests, from JANSKY_TEST_CHROMIUM (see tests/services/chromium).

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

import { until } from "./waiting.mjs";

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

/**
 * Closes a page. Chromium may say that it closes one that is just loading and forget it, and `page.close()`
 * waits for ever then (crbug.com/536385539): so it is told again.
 */
export async function closePage(page) {
  const [own, whole] = await Promise.all([
    page.context().newCDPSession(page),
    page.context().browser().newBrowserCDPSession(),
  ]);
  const { targetInfo } = await own.send("Target.getTargetInfo");
  await until("the page does not close", async () => {
    // It does not know the page any more when that has been closed.
    await whole.send("Target.closeTarget", { targetId: targetInfo.targetId }).catch(() => {});
    return page.isClosed();
  });
  await whole.detach();
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
