// Tokens of Jansky itself in real JupyterLab: a cell uses a protected service; the item in the status
// bar shows what is live; signing out ends it within a second, and signing in again in a window of its
// own brings it back without losing the notebook. How tokens are renewed is in rights.test.mjs.

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { describe } from "node:test";

import { Archive, OF_JANSKY } from "./archive.mjs";
import { closePage, launch, openPage, screenshot } from "./browser.mjs";
import { makeToken, setUp, signOutBeside, startServer } from "./hub.mjs";
import { configuration, freePort, Jansky } from "./jansky.mjs";
import * as lab from "./lab.mjs";
import { demoPython, INSTALL_SECONDS } from "./python.mjs";
import { after, before, story } from "./story.mjs";
import { until } from "./waiting.mjs";

const ADMIN = { name: "grote", password: "a dish behind the house" };
const LIFETIME = 30;

describe("tokens in a notebook", () => {
  let archive;
  let browser;
  let hub;
  let page;
  let python;
  let token;
  let socket;

  const step = story(() => [page].filter(Boolean));
  const server = () => `${hub.url}user/grote/`;
  const item = () => page.locator("button.jp-Jansky-item");
  const popup = () => page.getByRole("dialog", { name: "Identities and services" });
  const home = () => join(hub.folder, "homes/grote");
  /** What is in a file at home, and nothing when there is none. */
  const written = (name) =>
    existsSync(join(home(), name)) ? readFileSync(join(home(), name), "utf8") : "";
  /** Looks at the session of the terminal. */
  const terminal = async (look) => {
    const session = await page.evaluateHandle(() => {
      const widgets = [...globalThis.jupyterapp.shell.widgets("main")];
      return widgets.map(({ content }) => content?.session).find((session) => session?.reconnect);
    });
    return session.evaluate(look);
  };
  /** The kernels of which JupyterLab may not hear. */
  const refused = [];

  before(
    async () => {
      python = await demoPython();
      const port = await freePort();
      hub = Jansky.serve("tokens", {
        config: (folder) =>
          configuration(folder, {
            port,
            python,
            hub: { public_url: `http://127.0.0.1:${port}/` },
            // The test asks the agent itself, which answers only what is in the server's control group.
            spawner: {
              default_url: "/lab",
              arguments: [
                ...(process.getuid() === 0 ? ["--allow-root"] : []),
                // So that its terminals can be told to lose their patience.
                "--LabApp.expose_app_in_browser=True",
              ],
              home_dir: join(folder, "homes/{username}"),
              cgroups: "off",
            },
            audiences: {
              archive: {
                title: "EVN archive",
                source: "jansky",
                scopes: ["archive:read"],
                lifetime: `${LIFETIME}s`,
                allow_all: true,
              },
            },
          }),
      });
      await hub.start();
      archive = await new Archive({
        issuer: `${hub.hub}oidc`,
        audience: "archive",
        lifetime: LIFETIME,
        look: OF_JANSKY,
      }).start();
      browser = await launch();
      page = await openPage(browser);
      page.on("response", (response) => {
        const kernel = /\/api\/kernels\/([^/?]+)\?/.exec(response.url());
        if (kernel && response.status() === 403) {
          refused.push(kernel[1]);
        }
      });
      await setUp(page, { ...ADMIN, url: await hub.setUpLink() });
      token = await makeToken(page, { hub: hub.hub, note: "for the tests" });
    },
    { seconds: INSTALL_SECONDS },
  );

  after(async () => {
    await browser?.close();
    archive?.end();
    await hub?.end({ token });
  });

  step("a cell reads from a protected service", async () => {
    await startServer(page, { hub: hub.hub });
    await lab.openLab(page, server());
    await lab.createNotebook(page);
    const code = `
import os, jansky, requests
archive = ${JSON.stringify(archive.url)}
session = jansky.session("archive")
print(requests.get(archive, auth=jansky.Auth("archive")).text)
print(os.environ["JANSKY_AGENT_SOCKET"])`;
    const { text, error } = await lab.run(page, code.trim());

    assert.equal(error, undefined);
    assert.match(text, /^grote may read, archive:read$/m);
    socket = /^\/\S+agent\.sock$/m.exec(text)?.[0];
    assert.ok(socket, text);
  });

  step("a shell gets tokens, too", async () => {
    const { text } = await lab.run(page, `!${python}/bin/jansky token archive | cut -c1-3`);

    assert.match(text, /^eyJ$/m);
  });

  step("the status bar shows what is live, by day and by night", async () => {
    await until("the item is not there", async () => {
      return (await item().innerText()).trim() === "Tokens: 1 of 1";
    });
    await item().click();
    await popup().getByText("EVN archive").waitFor();
    await until("it does not say how long", async () => {
      return / s left/.test(await popup().innerText());
    });
    await screenshot(page, "tokens-1-live-light");
    await page.keyboard.press("Escape");

    const settings = join(home(), ".jupyter/lab/user-settings/@jupyterlab/apputils-extension");
    mkdirSync(settings, { recursive: true });
    writeFileSync(join(settings, "themes.jupyterlab-settings"), '{"theme": "JupyterLab Dark"}');
    await lab.save(page);
    await page.reload();
    await lab.labReady(page);
    await item().click();
    await popup().getByText("EVN archive").waitFor();
    await screenshot(page, "tokens-1-live-dark");
    await page.keyboard.press("Escape");
  });

  step("a console and a terminal work beside the notebook", async () => {
    await lab.openTerminal(page);
    await lab.runInTerminal(
      page,
      `dish=9.5; echo $dish > ${home()}/terminal`,
      () => written("terminal") === "9.5\n",
    );
    // It gives up when it was refused once then, and not only after two minutes.
    await terminal((session) => (session._reconnectLimit = 1));
    await lab.openConsole(page);
    await lab.runInConsole(page, 'dish = "9.5"; open("console", "w").write(dish)');
    await until("the console does nothing", () => written("console") === "9.5");
    await lab.turnTo(page, "Untitled.ipynb");
    await lab.recordDialogs(page);
  });

  step("signing out ends it within a second", async () => {
    assert.equal((await ask(socket)).status, 200);
    const other = await signOutBeside(page, { hub: hub.hub });
    const began = performance.now();
    let refusal;
    await until(
      "the agent still gives tokens",
      async () => (refusal = await ask(socket)).status === 401,
      10,
    );
    const took = performance.now() - began;
    assert.ok(took < 1000, `it took ${took} ms`);
    assert.equal(refusal.body.error, "session_frozen");
    assert.equal(refusal.body.access_token, undefined);
    await closePage(other);
  });

  step("which JupyterLab says in the status bar, and nothing that is not so anywhere", async () => {
    await until("the item does not say so", async () => {
      return (await item().innerText()).trim() === "Signed out";
    });
    await until("JupyterLab does not ask for both kernels", () => new Set(refused).size > 1);
    await until("the terminal does not give up", async () => {
      return (await terminal((session) => session.connectionStatus)) === "disconnected";
    });
    assert.deepEqual(await lab.dialogs(page), []);
    const said = await lab.saveInVain(page);
    assert.match(said, /^File Save Error for Untitled.ipynb\s+You are signed out of the gateway\./);
    assert.deepEqual(await lab.dialogs(page), [said]);

    await item().click();
    await popup().getByRole("button", { name: "Sign in again" }).waitFor();
    await screenshot(page, "tokens-2-signed-out-dark");
  });

  step("signing in again in a window of its own brings it back", async () => {
    const opening = page.waitForEvent("popup");
    await popup().getByRole("button", { name: "Sign in again" }).click();
    const window = await opening;
    await window.getByLabel("User name").fill(ADMIN.name);
    await window.getByLabel("Password").fill(ADMIN.password);
    await window.getByRole("button", { name: "Sign in", exact: true }).click();
    await until("the window does not close itself", () => window.isClosed());

    await until("the item does not say so", async () => {
      return (await item().innerText()).trim() === "Tokens: 1 of 1";
    });
    await page.keyboard.press("Escape");
  });

  step("the notebook, the console and the terminal go on with what they had", async () => {
    const { text } = await lab.runAgain(page, "print(session.get(archive).text)");
    assert.match(text, /^grote may read/);
    await screenshot(page, "tokens-3-again-dark");
    await lab.save(page);

    await lab.runInConsole(page, 'open("console", "w").write(dish + " again")');
    await until("the console does nothing", () => written("console") === "9.5 again");

    await lab.runInTerminal(
      page,
      `echo $dish again > ${home()}/terminal`,
      () => written("terminal") === "9.5 again\n",
    );
    assert.equal((await lab.dialogs(page)).length, 1);
  });
});

/** Asks the agent, as the code of the server does. */
async function ask(socketPath) {
  const signal = AbortSignal.timeout(10_000);
  const asked = request({ socketPath, path: "/v1/token?audience=archive", host: "agent", signal });
  const [answer] = await once(asked.end(), "response");
  let text = "";
  for await (const piece of answer.setEncoding("utf8")) {
    text += piece;
  }
  return { status: answer.statusCode, body: JSON.parse(text) };
}
