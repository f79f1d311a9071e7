// Real JupyterLab in a container of a real Docker Engine, below an address of the hub that only
// containers and this machine reach.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe } from "node:test";

import { launch, openPage, screenshot, story, until } from "./browser.mjs";
import { makeToken, setUp, startServer, stopServer } from "./hub.mjs";
import { BINARY, configuration, freePort, Jansky } from "./jansky.mjs";
import * as lab from "./lab.mjs";

const ADMIN = { name: "grote", password: "a dish behind the house" };
const AGENT = join(dirname(BINARY), "jansky-agent");

function variable(name) {
  assert.ok(process.env[name], `${name} is not set; source what tests/services/docker writes`);
  return process.env[name];
}

describe("a server in a container", () => {
  let browser;
  let hub;
  let page;
  let token;

  const step = story(() => [page].filter(Boolean));

  before(
    async () => {
      const port = await freePort();
      assert.ok(existsSync(AGENT), `${AGENT} is not built`);
      hub = Jansky.serve("docker", {
        config: (folder) =>
          configuration(folder, {
            port,
            python: "/opt/venv",
            hub: { bind: `${variable("JANSKY_TEST_DOCKER_GATEWAY")}:${port}` },
            spawner: {
              kind: "docker",
              host: variable("JANSKY_TEST_DOCKER"),
              "images.lab": variable("JANSKY_TEST_DOCKER_LAB"),
              network: variable("JANSKY_TEST_DOCKER_NETWORK"),
              agent: AGENT,
              arguments: [],
              volumes: [`jansky-test-${port}-{username}:/home/jovyan`],
              memory_limit: "1 GiB",
              cpu_limit: 2,
              http_timeout: "2m",
              default_url: "/lab",
            },
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
    { timeout: 120_000 },
  );

  after(async () => {
    await browser?.close();
    await hub?.end({ token });
  });

  step("starts and runs cells over a WebSocket", async () => {
    const seen = await startServer(page, { hub: hub.hub });
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
    await startServer(page, { hub: hub.hub });
    await lab.openLab(page, `${hub.url}user/grote/`);
    await lab.createNotebook(page);

    const { text } = await lab.run(page, "print(open('/home/jovyan/kept').read())");
    assert.match(text, /^a survey/);
  });

  step("gets a token from its agent, and finds none anywhere else", async () => {
    const ask = [
      "import json, os, socket",
      "s = socket.socket(socket.AF_UNIX)",
      "s.connect(os.environ['JANSKY_AGENT_SOCKET'])",
      "s.sendall(b'GET /v1/token?audience=archive HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n')",
      "answer = s.makefile().read()",
      "head, body = answer.split('\\n\\n', 1)",
      "token = json.loads(body[body.index('{'):body.rindex('}') + 1])",
      "print(token['token_type'], token['scope'], token['access_token'].count('.'), sorted(name for name in os.environ if 'TICKET' in name))",
    ];
    const { text, error } = await lab.run(page, ask.join("\n"));
    assert.match(text, /^Bearer archive:read 2 \[\]/, error);
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
