// Real JupyterLab in a container of a real Docker Engine, below an address of the hub that only
// containers and this machine reach.

import assert from "node:assert/strict";
import { describe } from "node:test";

import { launch, look, openPage, screenshot } from "./browser.mjs";
import { inContainers, labImage } from "./docker.mjs";
import { makeToken, setUp, startServer, stopServer } from "./hub.mjs";
import { configuration, freePort, Jansky } from "./jansky.mjs";
import * as lab from "./lab.mjs";
import { after, before, story } from "./story.mjs";
import { until } from "./waiting.mjs";

const ADMIN = { name: "grote", password: "a dish behind the house" };

describe("a server in a container", () => {
  let browser;
  let hub;
  let page;
  let token;

  const step = story(() => [page].filter(Boolean));

  before(
    async () => {
      const port = await freePort();
      hub = Jansky.serve("docker", {
        config: (folder) =>
          configuration(folder, {
            ...inContainers(port, {
              images: {
                lab: labImage(),
                again: { image: labImage(), title: "Lab again", description: "The same image." },
              },
            }),
            audiences: {
              archive: { source: "jansky", scopes: ["archive:read"], allow_all: true },
            },
          }),
      });
      await hub.start();
      browser = await launch();
      page = await openPage(browser);
      await setUp(page, { ...ADMIN, url: await hub.setUpLink() });
      token = await makeToken(page, { hub: hub.hub, note: "for the tests" });
    },
    { seconds: 120 },
  );

  after(async () => {
    await browser?.close();
    await hub?.end({ token });
  });

  step("starts and runs cells over a WebSocket", async () => {
    const seen = await startServer(page, {
      hub: hub.hub,
      onChoice: async () => {
        assert.ok(await page.getByRole("radio", { name: "lab", exact: true }).isChecked());
        await look(page, "docker-0-choice");
        await page.getByText("Lab again").click();
      },
    });
    const { body } = await hub.api("users/grote", { token });
    assert.deepEqual(body.servers[""].user_options, { image: "again" });
    assert.ok(seen.messages.includes("Making the container"), seen.messages.join());

    await lab.openLab(page, `${hub.url}user/grote/`);
    await lab.createNotebook(page);
    const { text } = await lab.run(
      page,
      "import os, jupyterhub; print(os.getpid() > 1, os.getuid(), os.path.exists('/.dockerenv'), jupyterhub.__version__)",
    );
    assert.match(text, /^True 1000 True 6\./);
    await screenshot(page, "docker-1-notebook");
  });

  step("keeps its kernel when the hub is killed", async () => {
    await lab.run(page, "kept = 'from before'");
    await hub.kill();
    await hub.start();

    const { text } = await lab.runAgain(page, "print(kept)");
    assert.match(text, /^from before/);
  });

  step("keeps its files when it is stopped and started again", async () => {
    await lab.run(page, "open('/home/jovyan/kept', 'w').write('a survey')");
    await lab.save(page);
    await stopServer(page, { hub: hub.hub });
    await startServer(page, {
      hub: hub.hub,
      onChoice: async () => {
        assert.ok(await page.getByRole("radio", { name: "Lab again" }).isChecked(), "remembered");
      },
    });
    await lab.openLab(page, `${hub.url}user/grote/`);
    await lab.createNotebook(page);

    const { text } = await lab.run(page, "print(open('/home/jovyan/kept').read())");
    assert.match(text, /^a survey/);
  });

  step("gets a token from its agent, and finds none anywhere else", async () => {
    const code = `
import jansky, os
token = jansky.token("archive")
print(token.scope, token.count("."), sorted(name for name in os.environ if "TICKET" in name))`;
    const { text, error } = await lab.run(page, code.trim());
    assert.match(text, /^archive:read 2 \[\]/, error);
  });

  step("ends with its hub when that is asked to", async () => {
    assert.deepEqual(await hub.end({ token }), []);
    await until("the hub answers still", async () => {
      try {
        await fetch(hub.url);
        return false;
      } catch {
        return true;
      }
    });
  });
});
