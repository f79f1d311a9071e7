// Single-user servers in all states, with the JupyterHub series before the one that the demo
// brings: starting under observation, named servers, a start that fails, and a browser without
// script. The servers are the unmodified program behind a gate that the test opens and closes.

import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";

import { launch, look, openPage, screenshot } from "./browser.mjs";
import { makeToken, setUp, signIn, startServer, stopServer } from "./hub.mjs";
import { configuration, freePort, Jansky } from "./jansky.mjs";
import * as lab from "./lab.mjs";
import { INSTALL_SECONDS, olderPython } from "./python.mjs";
import { after, before, story } from "./story.mjs";
import { until } from "./waiting.mjs";

const ADMIN = { name: "grote", password: "a dish behind the house" };

describe("a server of JupyterHub 5", () => {
  let browser;
  let gate;
  let hub;
  let page;
  let token;

  const step = story(() => [page].filter(Boolean));
  const home = () => page.goto(`${hub.hub}home`);
  const cardOf = (name) => page.locator("li", { has: page.getByRole("heading", { name }) });

  before(
    async () => {
      const python = olderPython();
      const port = await freePort();
      hub = Jansky.serve("singleuser", {
        config: (folder) => {
          gate = join(folder, "gate");
          mkdirSync(gate);
          const program = join(gate, "server");
          const lines = [
            "#!/bin/sh",
            `touch '${gate}/came'`,
            `while [ -e '${gate}/closed' ]; do sleep 0.1; done`,
            `if [ -e '${gate}/broken' ]; then`,
            "  echo 'reading the calibration <tables>'",
            "  echo 'no space left on /data' >&2",
            "  exit 3",
            "fi",
            `exec '${python}/bin/jupyterhub-singleuser' "$@"`,
          ];
          writeFileSync(program, `${lines.join("\n")}\n`);
          chmodSync(program, 0o755);
          return configuration(folder, {
            port,
            python,
            hub: { redirect_to_server: false },
            spawner: { command: [program], default_url: "/lab" },
          });
        },
      });
      await hub.start();
      browser = await launch();
      page = await openPage(browser);
      await setUp(page, { ...ADMIN, url: await hub.setUpLink() });
      token = await makeToken(page, { hub: hub.hub, note: "for the tests" });
    },
    { seconds: INSTALL_SECONDS },
  );

  after(async () => {
    await browser?.close();
    await hub?.end({ token });
  });

  const close = (what) => writeFileSync(join(gate, what), "");
  const open = (what) => rmSync(join(gate, what), { force: true });

  step("is shown while it starts, and can be left and found again", async () => {
    close("closed");
    const seen = await startServer(page, {
      hub: hub.hub,
      onPending: async () => {
        await until("the server was not started", () => existsSync(join(gate, "came")));
        await page.getByText("Waiting for the server to answer").waitFor();
        await look(page, "server-1-starting");
        await home();
        assert.equal(await page.locator(".state").innerText(), "Starting");
        await look(page, "server-1-home-starting");
        await page.getByRole("link", { name: "Show progress" }).click();
        await page.locator("#pending").waitFor();
        open("closed");
      },
    });

    assert.ok(seen.messages.includes("Starting the server"), seen.messages.join());
    assert.deepEqual(page.problems, []);
  });

  step("signs in through the hub and runs cells over a WebSocket", async () => {
    const sockets = [];
    page.on("websocket", (socket) => {
      const record = { url: socket.url(), received: 0 };
      sockets.push(record);
      socket.on("framereceived", () => (record.received += 1));
    });
    await lab.openLab(page, `${hub.url}user/grote/`);
    await lab.createNotebook(page);
    const { text } = await lab.run(page, "import jupyterhub; print(jupyterhub.__version__)");

    assert.match(text, /^5\.4\./);
    const origin = hub.url.replace("http:", "ws:");
    const kernels = sockets.filter(({ url }) => url.startsWith(`${origin}user/grote/api/kernels/`));
    assert.ok(
      kernels.some(({ received }) => received > 0),
      JSON.stringify(sockets),
    );
    const { body } = await hub.api("users/grote", { token });
    assert.ok(body.servers[""].last_activity, "its activity is not known");
    await screenshot(page, "server-2-notebook");
  });

  step("can have a second one beside it with an address of its own", async () => {
    await home();
    await page.getByLabel("Name of a new server").fill("no/slash");
    await page.getByRole("button", { name: "Add" }).click();
    await page.locator("#add-error").waitFor();
    await look(page, "server-3-bad-name");
    await page.getByLabel("Name of a new server").fill("deep-field");
    await page.getByRole("button", { name: "Add" }).click();
    await cardOf("deep-field")
      .getByRole("button", { name: /^Start/ })
      .click();
    await page.waitForURL("**/user/grote/deep-field/lab**", { timeout: 60_000 });
    const { pathname } = new URL(page.url());
    assert.match(pathname, /^\/user\/grote\/deep-field\/lab/);

    await home();
    await look(page, "server-3-home");
    const states = await page.locator(".state").allInnerTexts();
    assert.deepEqual(states, ["Running", "Running"]);
    const answer = await hub.api("users/grote", { token });
    assert.deepEqual(Object.keys(answer.body.servers).toSorted(), ["", "deep-field"]);

    page.on("dialog", (dialog) => dialog.accept());
    await cardOf("deep-field").getByRole("button", { name: /^Stop/ }).click();
    await until("it was not stopped", async () => {
      await home();
      return (await cardOf("deep-field").locator(".state").innerText()) === "Stopped";
    });
    await cardOf("deep-field")
      .getByRole("button", { name: /^Delete/ })
      .click();
    await cardOf("deep-field").waitFor({ state: "detached" });
    assert.equal(await page.locator(".state").innerText(), "Running");
    page.removeAllListeners("dialog");
  });

  step("says why it did not start and starts when that is mended", async () => {
    await stopServer(page, { hub: hub.hub });
    await page.goto(`${hub.url}user/grote/lab/tree/Untitled.ipynb`);
    await page.getByRole("heading", { name: "My server does not run" }).waitFor();
    await look(page, "server-4-not-running");

    close("broken");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.getByRole("heading", { name: "My server did not start" }).waitFor();
    const text = await page.locator("main").innerText();
    assert.match(text, /no space left on \/data/);
    assert.match(text, /reading the calibration <tables>/);
    await look(page, "server-4-failed");
    await home();
    assert.equal(await page.locator(".state").innerText(), "Did not start");
    await look(page, "server-4-home-failed");

    open("broken");
    await page.getByRole("link", { name: "What happened" }).click();
    await page.getByRole("button", { name: "Start again" }).click();
    await page.waitForURL("**/user/grote/lab**", { timeout: 60_000 });
    await lab.openNotebook(page, `${hub.url}user/grote/`, "Untitled.ipynb");
    await stopServer(page, { hub: hub.hub });
  });

  step("can be started and opened without script", async () => {
    const plain = await openPage(browser, { javaScriptEnabled: false });
    await signIn(plain, { ...ADMIN, url: hub.url });
    close("closed");
    await startServer(plain, {
      hub: hub.hub,
      onPending: async () => {
        assert.match(await plain.locator("main").innerText(), /reloads itself every 2 seconds/);
        await look(plain, "server-5-starting-without-script");
        await plain.waitForEvent("load");
        assert.equal(await plain.locator("#pending").count(), 1);
        open("closed");
      },
    });

    assert.match(new URL(plain.url()).pathname, /^\/user\/grote\/lab/);
    assert.equal(await plain.locator("#jupyter-config-data").count(), 1);
    assert.deepEqual(plain.problems, []);
    await plain.context().close();
  });

  step("ends with its hub when that is asked to", async () => {
    assert.deepEqual(await hub.end({ token }), []);
  });
});
