// Signing out everywhere, seen from a JupyterLab that is open in another browser: the WebSocket of its
// kernel is cut within the second that docs/concepts/rights.md promises, and it gets none again.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe } from "node:test";

import { launch, openPage, screenshot } from "./browser.mjs";
import { makeToken, setUp, signIn, startServer } from "./hub.mjs";
import { configuration, freePort, Jansky } from "./jansky.mjs";
import * as lab from "./lab.mjs";
import { demoPython, INSTALL_SECONDS } from "./python.mjs";
import { after, before, story } from "./story.mjs";
import { until } from "./waiting.mjs";

const ADMIN = { name: "grote", password: "a dish behind the house" };

/** In milliseconds: docs/concepts/rights.md, "a person signs out". */
const BOUND = 1000;

describe("a notebook in a browser that was signed out from another one", () => {
  let browser;
  let elsewhere;
  let folder;
  let hub;
  let page;
  let token;
  const sockets = [];

  const step = story(() => [page, elsewhere].filter(Boolean));
  const live = () => sockets.filter(({ url, closed }) => /\/api\/kernels\//.test(url) && !closed);

  before(
    async () => {
      folder = mkdtempSync(join(tmpdir(), "jansky-signout-"));
      const [python, port] = await Promise.all([demoPython(), freePort()]);
      hub = Jansky.serve("signout", {
        config: (folder) =>
          configuration(folder, {
            port,
            python,
            hub: { redirect_to_server: false },
            spawner: { default_url: "/lab" },
          }),
      });
      await hub.start();
      browser = await launch();
      [page, elsewhere] = [await openPage(browser), await openPage(browser)];
      page.on("websocket", (socket) => {
        const record = { url: socket.url(), closed: 0 };
        sockets.push(record);
        socket.on("close", () => (record.closed = Date.now()));
      });
      await setUp(page, { ...ADMIN, url: await hub.setUpLink() });
      token = await makeToken(page, { hub: hub.hub, note: "for the tests" });
    },
    { seconds: INSTALL_SECONDS },
  );

  after(async () => {
    await browser?.close();
    await hub?.end({ token });
    rmSync(folder, { recursive: true, force: true });
  });

  step("runs cells", async () => {
    await startServer(page, { hub: hub.hub });
    await lab.openLab(page, `${hub.url}user/grote/`);
    await lab.createNotebook(page);
    const proof = join(folder, "before");
    await lab.run(page, `open(${JSON.stringify(proof)}, "w").write("ran")`);

    assert.equal(readFileSync(proof, "utf8"), "ran");
    assert.ok(live().length > 0, JSON.stringify(sockets));
  });

  step("is cut within a second", async () => {
    await signIn(elsewhere, { url: hub.hub, ...ADMIN });
    await elsewhere.goto(`${hub.hub}account`);
    elsewhere.on("dialog", (dialog) => dialog.accept());
    const open = live();
    const answered = elsewhere.waitForResponse(
      (response) => response.request().method() === "POST" && response.status() < 400,
    );
    await elsewhere.getByRole("button", { name: "Sign out everywhere" }).click();
    await answered;
    const signedOut = Date.now();

    await until("the kernel's WebSocket lives on", () => open.every(({ closed }) => closed), 10);
    const late = Math.max(...open.map(({ closed }) => closed)) - signedOut;
    assert.ok(late <= BOUND, `cut ${late} ms after the sign-out was answered`);
  });

  step("is refused, however often it connects again", async () => {
    const [{ url }] = sockets.filter(({ url }) => /\/api\/kernels\//.test(url)).slice(-1);
    const again = (url) =>
      new Promise((tell) => {
        const socket = new WebSocket(url);
        socket.onopen = () => tell("open");
        socket.onerror = () => tell("refused");
      });

    assert.equal(await page.evaluate(again, url), "refused");
    await screenshot(page, "signout-cut");
    assert.deepEqual(live(), []);
  });
});
