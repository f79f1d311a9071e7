// A restart of the hub below a notebook that is open in a browser: the kernel goes on, JupyterLab
// connects to it again by itself, and nobody is told that the server would not run.

import assert from "node:assert/strict";
import { describe } from "node:test";

import { launch, openPage, screenshot } from "./browser.mjs";
import { setUp, startServer } from "./hub.mjs";
import { configuration, freePort, Jansky } from "./jansky.mjs";
import * as lab from "./lab.mjs";
import { demoPython, INSTALL_SECONDS } from "./python.mjs";
import { after, before, story } from "./story.mjs";
import { until } from "./waiting.mjs";

const ADMIN = { name: "grote", password: "a dish behind the house" };

/** What JupyterLab asks all the time; without an answer, or with 503, it shows its dialog. */
const ASKED = ["kernels", "sessions", "terminals"];

describe("a notebook whose hub is restarted", () => {
  let browser;
  let hub;
  let page;
  const sockets = [];
  const failed = [];

  const step = story(() => [page].filter(Boolean));
  const live = () => sockets.filter(({ url, isOpen }) => /\/api\/kernels\//.test(url) && isOpen);

  before(
    async () => {
      const [python, port] = await Promise.all([demoPython(), freePort()]);
      hub = Jansky.serve("restart", {
        config: (folder) =>
          configuration(folder, {
            port,
            python,
            hub: { redirect_to_server: false },
            spawner: {
              default_url: "/lab",
              arguments: [
                ...(process.getuid() === 0 ? ["--allow-root"] : []),
                // So that JupyterLab can be told to ask, which it does every ten seconds otherwise.
                "--LabApp.expose_app_in_browser=True",
              ],
            },
          }),
      });
      await hub.start();
      browser = await launch();
      page = await openPage(browser);
      page.on("websocket", (socket) => {
        const record = { url: socket.url(), isOpen: true };
        sockets.push(record);
        socket.on("close", () => (record.isOpen = false));
      });
      await setUp(page, { ...ADMIN, url: await hub.setUpLink() });
    },
    { seconds: INSTALL_SECONDS },
  );

  after(async () => {
    await browser?.close();
    await hub?.end();
  });

  step("has variables", async () => {
    await startServer(page, { hub: hub.hub });
    await lab.openLab(page, `${hub.url}user/grote/`);
    await lab.createNotebook(page);
    const { text } = await lab.run(page, "import os; pid, dish = os.getpid(), 9.5; pid");

    assert.match(text, /^\d+$/);
    assert.ok(live().length > 0, JSON.stringify(sockets));
    await lab.recordDialogs(page);
    page.problems.length = 0;
    page.on("requestfailed", (request) => failed.push(request.url()));
  });

  step("asks the server all the while and is answered", async () => {
    const open = live();
    await page.evaluate((asked) => {
      const { baseUrl } = JSON.parse(document.getElementById("jupyter-config-data").textContent);
      const headers = { "X-XSRFToken": /(?:^|; )_xsrf=([^;]*)/.exec(document.cookie)[1] };
      globalThis.visits = { answers: {}, longest: 0 };
      const ask = async () => {
        const began = performance.now();
        const name = asked[Math.floor(Math.random() * asked.length)];
        const answer = await fetch(`${baseUrl}api/${name}`, { headers }).then(
          ({ status }) => status,
          (error) => `${error}`,
        );
        const { answers } = globalThis.visits;
        answers[answer] = (answers[answer] ?? 0) + 1;
        globalThis.visits.longest = Math.max(globalThis.visits.longest, performance.now() - began);
        setTimeout(ask, 10);
      };
      const refresh = async () => {
        const { kernels, sessions } = globalThis.jupyterapp.serviceManager;
        await Promise.allSettled([kernels.refreshRunning(), sessions.refreshRunning()]);
        setTimeout(refresh, 10);
      };
      refresh();
      ask();
    }, ASKED);
    const visits = () => page.evaluate(() => globalThis.visits);
    const answered = async () => (await visits()).answers[200] ?? 0;
    const more = async () => {
      const before = await answered();
      await until("the server does not answer", async () => (await answered()) > before + 10);
    };

    for (const _ of [1, 2]) {
      await more();
      await hub.restart();
      await more();
    }

    const { answers, longest } = await visits();
    console.log(`answers: ${JSON.stringify(answers)}, the longest wait: ${longest.toFixed()} ms`);
    assert.deepEqual(Object.keys(answers), ["200"]);
    assert.ok(
      open.every(({ isOpen }) => !isOpen),
      "a WebSocket that outlives its hub cannot be",
    );
  });

  step("runs the next cell with the variables of before", async () => {
    await until("no WebSocket to the kernel", () => live().length > 0);
    const { text } = await lab.runAgain(page, "os.getpid() == pid and dish");

    assert.equal(text.trim(), "9.5");
    await screenshot(page, "restart-goes-on");
  });

  step("shows no dialog", async () => {
    assert.deepEqual(await lab.dialogs(page), []);
    assert.deepEqual(failed, []);
    assert.deepEqual(
      page.problems.filter((problem) => !/WebSocket/.test(problem)),
      [],
    );
  });

  step("would show it if the hub were gone", async () => {
    await hub.kill();
    await until("there is no dialog", async () => (await lab.dialogs(page)).length > 0);

    assert.match((await lab.dialogs(page))[0], /is not running/);
  });
});
