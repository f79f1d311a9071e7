// The pages in a real browser: every sample under the policy that the hub sends, on a phone and on
// a desk, by day and by night; and what the little script adds.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { describe } from "node:test";

import { launch, openPage, screenshot } from "./browser.mjs";
import { after, before, test } from "./story.mjs";
import { until } from "./waiting.mjs";

const POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join("; ");
const TYPES = { ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" };
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser;
let folder;
let server;
let site;
let names;
/** What the server was asked for, as `METHOD /path body`. */
let requests = [];
/** What the next connections to the event stream get; without an entry they are refused. */
let streams = [];
/** How long the samples may take to be built, beside whatever else is built. */
const BUILD_SECONDS = 1200;

/** The connection that got `HOLD` and stays open. */
let held;

const HOLD = Symbol("stay open");

before(
  async () => {
    folder = mkdtempSync(join(tmpdir(), "jansky-pages-"));
    const root = join(import.meta.dirname, "../..");
    // Without `-p`, so that it is built with the same features as everything else.
    execFileSync("cargo", ["run", "-q", "--example", "pages", "--", folder], {
      cwd: root,
      stdio: "inherit",
      timeout: BUILD_SECONDS * 1000,
    });
    names = readdirSync(folder)
      .filter((name) => extname(name) === ".html")
      .map((name) => name.slice(0, -".html".length));
    server = createServer(answer);
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    site = `http://127.0.0.1:${server.address().port}/`;
    browser = await launch();
  },
  { seconds: BUILD_SECONDS },
);

after(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function answer(request, response) {
  const { pathname } = new URL(request.url, site);
  let body = "";
  for await (const chunk of request) {
    body += chunk;
  }
  requests.push(`${request.method} ${pathname} ${body}`.trim());
  if (pathname.endsWith("/progress")) {
    const events = streams.shift();
    if (!events) {
      response.writeHead(400).end();
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("retry: 100\n\n");
    events.filter((event) => event !== HOLD).forEach((event) => send(response, event));
    if (events.includes(HOLD)) {
      held = response;
    } else {
      response.end();
    }
    return;
  }
  const file = extname(pathname) ? pathname : `${pathname}.html`;
  let bytes;
  try {
    bytes = readFileSync(join(folder, file));
  } catch {
    response.writeHead(200, { "content-type": "text/html" });
    response.end("<!doctype html><title>Elsewhere</title>");
    return;
  }
  response.writeHead(200, {
    "content-type": TYPES[extname(file)] ?? "text/html",
    "content-security-policy": POLICY,
  });
  response.end(bytes);
}

function send(response, event) {
  response.write(`data: ${JSON.stringify(event)}\n\n`);
}

/** Opens a sample in a session of its own and forgets what was asked for before. */
async function open(name, options) {
  requests = [];
  const page = await openPage(browser, options);
  await page.goto(site + name);
  return page;
}

/** What the accessibility checker finds; it comes in past the policy, not through the page. */
async function findings(page) {
  const client = await page.context().newCDPSession(page);
  await client.send("Runtime.evaluate", { expression: AXE });
  const expression = `axe.run({ runOnly: ${JSON.stringify(RULES)} }).then((result) =>
    result.violations.map(({ id, nodes }) => id + ": " + nodes.map((it) => it.target).join(" ")))`;
  const { result } = await client.send("Runtime.evaluate", {
    expression,
    awaitPromise: true,
    returnByValue: true,
  });
  assert.ok(Array.isArray(result.value), JSON.stringify(result));
  return result.value;
}

describe("every page", () => {
  for (const [scheme, width] of [
    ["light", 320],
    ["dark", 1280],
  ]) {
    const everyPage = async () => {
      assert.ok(names.length > 40, `${names.length} samples`);
      const page = await openPage(browser, {
        colorScheme: scheme,
        viewport: { width, height: 800 },
      });
      // A page that reloads itself would take the checker away.
      await page.addInitScript(() => (window.setInterval = () => 0));
      page.on("dialog", (dialog) => page.problems.push(`dialog: ${dialog.message()}`));
      for (const name of names) {
        streams = [[HOLD]];
        await page.goto(site + name);
        const excess = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        assert.equal(excess, 0, `\`${name}\` is ${excess} px too wide`);
        assert.deepEqual(await findings(page), [], name);
        assert.deepEqual(page.problems, [], name);
        if (!name.endsWith("hostile")) {
          await screenshot(page, `page-${name}-${scheme}`);
        }
      }
      await page.context().close();
    };
    const name = `fits, obeys the policy and is accessible (${scheme}, ${width} px)`;
    test(name, everyPage, { seconds: 600 });
  }

  test("begins with a link to the content", async () => {
    const page = await open("home");

    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");

    const focused = await page.evaluate(() => document.activeElement.textContent);
    assert.equal(focused, "Open");
    await page.context().close();
  });
});

describe("a start", () => {
  test("shows each message once, also when the stream breaks, and goes to the server", async () => {
    const steps = [
      { progress: 50, message: "Waiting until it answers." },
      { progress: 80, message: "It answers." },
    ];
    streams = [steps, [...steps, { progress: 90, message: "Nearly there." }, HOLD]];
    const page = await open("pending");
    const bar = page.locator("#progress");
    await until("the second stream", async () => (await bar.evaluate((it) => it.value)) === 90);

    const messages = await page.locator("#events li").allTextContents();
    const pen = await page.locator("#pen").getAttribute("x1");
    send(held, { progress: 100, message: "Ready.", ready: true, url: "/user/river/lab" });
    await page.waitForURL("**/user/river/lab");

    assert.deepEqual(messages.slice(-3), [
      "Waiting until it answers.",
      "It answers.",
      "Nearly there.",
    ]);
    assert.equal(messages.length, 5);
    assert.equal(pen, "540");
    await page.context().close();
  });

  test("reloads the page when it failed and when the hub refuses the stream", async () => {
    for (const stream of [[{ progress: 100, message: "No.", failed: true }], undefined]) {
      streams = stream ? [stream] : [];
      const page = await open("pending");
      await until("it did not reload", () => {
        // A page that is refused again reloads again.
        return requests.filter((request) => request === "GET /pending").length >= 2;
      });
      await page.context().close();
    }
  });

  test("is followed without script by reloading", async () => {
    const page = await open("pending", { javaScriptEnabled: false });

    await until("it did not reload", () => {
      return requests.filter((request) => request === "GET /pending").length === 2;
    });

    assert.equal(requests.filter((request) => request.includes("progress")).length, 0);
    await page.context().close();
  });
});

describe("the script", () => {
  test("asks before a server is stopped and posts once with the token", async () => {
    const page = await open("home");
    const stop = page.getByRole("button", { name: "Stop", exact: true });
    const posts = () => requests.filter((request) => request.startsWith("POST"));
    let question;

    page.once("dialog", (dialog) => {
      question = dialog.message();
      dialog.dismiss();
    });
    await stop.click();
    assert.match(question, /^Stop “My server”\?/);
    assert.deepEqual(posts(), []);

    page.on("dialog", (dialog) => dialog.accept());
    await stop.click();
    await page.waitForURL("**/hub/stop/river");
    assert.deepEqual(posts(), ["POST /hub/stop/river _xsrf=sample-xsrf"]);
    await page.context().close();
  });

  test("copies a new token", async () => {
    const page = await open("tokens-new", { permissions: ["clipboard-read", "clipboard-write"] });

    await page.getByRole("button", { name: "Copy", exact: true }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();

    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(copied, await page.locator("#new-token").innerText());
    await page.context().close();
  });

  test("shows times where the reader is", async () => {
    const page = await open("home-stopped", { timezoneId: "Asia/Tokyo", locale: "en-GB" });

    const time = page.locator("time").first();

    assert.equal(await time.innerText(), "26 July 2026, 20:02");
    assert.equal(await time.getAttribute("title"), "26 July 2026, 11:02 UTC");
    await page.context().close();
  });
});
