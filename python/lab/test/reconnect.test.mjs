// Which notebooks are connected again to their kernels.

import assert from "node:assert/strict";
import { test } from "node:test";

import { reconnect } from "../src/reconnect.js";

/** A notebook's session as JupyterLab has it, which writes down what it is told. */
function session(id, kernel) {
  return {
    id,
    kernel,
    isDisposed: false,
    told: [],
    update: (model) => session.told.push([id, model.kernel?.id]),
  };
}

/** JupyterLab with notebooks, and what the server says of the sessions that run. */
function lab(sessions, running) {
  session.told = [];
  return {
    shell: { widgets: () => [{}, ...sessions.map((session) => ({ sessionContext: { session } }))] },
    serviceManager: {
      sessions: {
        asked: 0,
        running: () => running,
        async refreshRunning() {
          this.asked += 1;
        },
      },
    },
  };
}

const LIVE = { isDisposed: false };
const LOST = { isDisposed: true };

test("a notebook whose kernel goes on gets its connection back, and no other", async () => {
  const sessions = [
    session("live", LIVE),
    session("lost", LOST),
    session("gone", LOST),
    session("dead", LOST),
  ];
  const app = lab(sessions, [
    { id: "live", kernel: { id: "1", execution_state: "idle" } },
    { id: "lost", kernel: { id: "2", execution_state: "busy" } },
    { id: "dead", kernel: { id: "3", execution_state: "dead" } },
  ]);

  await reconnect(app);

  assert.deepEqual(session.told, [
    ["lost", undefined],
    ["lost", "2"],
  ]);
});

test("the server is not asked where nothing is lost", async () => {
  const app = lab([session("live", LIVE), session("without a kernel", null)], []);

  await reconnect(app);

  assert.equal(app.serviceManager.sessions.asked, 0);
});
