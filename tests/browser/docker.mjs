// Servers in containers of the Docker Engine that tests/services/docker has started.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { dirname, join } from "node:path";

import { BINARY } from "./jansky.mjs";

const AGENT = join(dirname(BINARY), "jansky-agent");

/** An image with JupyterLab and our package for notebooks. */
export function labImage() {
  return variable("JANSKY_TEST_DOCKER_LAB");
}

/** The address of this machine that containers reach, and nothing else does. */
export function gateway() {
  return variable("JANSKY_TEST_DOCKER_GATEWAY");
}

/**
 * What `configuration` takes for a hub at this port whose servers are JupyterLab in containers; of
 * several `images` the first is the usual one.
 */
export function inContainers(port, { images, ...spawner } = {}) {
  assert.ok(existsSync(AGENT), `${AGENT} is not built`);
  const offered = images ?? { lab: labImage() };
  const keys = Object.entries(offered).map(([id, image]) => [`images.${id}`, image]);
  if (keys.length > 1) {
    keys.push(["default_image", Object.keys(offered)[0]]);
  }
  return {
    port,
    python: "/opt/venv",
    // Browsers say nothing about their requests over plain http, except to this machine itself.
    hub: { bind: `${gateway()}:${port}`, require_fetch_metadata: false },
    spawner: {
      kind: "docker",
      host: variable("JANSKY_TEST_DOCKER"),
      ...Object.fromEntries(keys),
      network: variable("JANSKY_TEST_DOCKER_NETWORK"),
      agent: AGENT,
      arguments: [],
      volumes: [`jansky-test-${port}-{username}:/home/jovyan`],
      memory_limit: "1 GiB",
      cpu_limit: 2,
      http_timeout: "2m",
      default_url: "/lab",
      ...spawner,
    },
  };
}

/**
 * Passes on what comes in at a port of 127.0.0.1 to the same port of the gateway, for browsers that
 * an identity provider sends back to 127.0.0.1 only. Ends with the function that it returns.
 */
export async function passOn(port) {
  const open = new Set();
  const server = createServer((near) => {
    const far = connect(port, gateway());
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      open.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => open.delete(one));
    }
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return () => {
    server.close();
    open.forEach((socket) => socket.destroy());
  };
}

function variable(name) {
  assert.ok(process.env[name], `${name} is not set; source what tests/services/docker writes`);
  return process.env[name];
}
