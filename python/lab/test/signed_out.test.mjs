// What JupyterLab gets to hear while nobody is signed in.

import assert from "node:assert/strict";
import { test } from "node:test";

import { keepQuiet, patient } from "../src/signed_out.js";

const KERNEL = "https://hub/user/river/api/kernels/7c0b?1796105154720";

/** A server that answers `statuses` one after the other, and remembers what it was asked. */
function server(...statuses) {
  const ask = async (input) => {
    ask.asked.push(input);
    return new Response("its own words", { status: statuses.shift() });
  };
  ask.asked = [];
  return ask;
}

/** What is known about who asks; `signIn()` makes it good again. */
function watch({ isSignedOut = true, isKnown = false } = {}) {
  let signIn;
  const answers = new Promise((resolve) => (signIn = resolve));
  const listeners = [];
  return {
    isSignedOut,
    isKnown: async () => isKnown,
    requested: [],
    async request(url) {
      this.requested.push(url);
      return new Response("alive", { status: 200 });
    },
    answers: () => answers,
    signIn,
    signedOutChanged: { connect: (listener) => listeners.push(listener) },
    becomes(isSignedOut) {
      this.isSignedOut = isSignedOut;
      listeners.forEach((listener) => listener());
    },
  };
}

test("a question about a kernel waits until somebody is signed in again", async () => {
  for (const away of [watch(), watch({ isSignedOut: false })]) {
    const ask = server(403);
    const answered = patient(ask, away)(new Request(KERNEL));
    await new Promise(setImmediate);
    assert.deepEqual([ask.asked.length, away.requested.length], [1, 0]);

    away.signIn();

    assert.equal(await (await answered).text(), "alive");
    // What was asked before has a token in it that is good no more.
    assert.deepEqual([ask.asked.length, away.requested], [1, [KERNEL]]);
  }
});

test("whatever else is refused says why", async () => {
  const others = [
    new Request(KERNEL, { method: "DELETE" }),
    new Request("https://hub/user/river/api/kernels"),
    new Request("https://hub/user/river/api/kernels/7c0b/restart", { method: "POST" }),
    "https://hub/user/river/api/contents/a.ipynb",
  ];
  for (const asked of others) {
    const answer = await patient(server(403), watch())(asked);

    assert.equal(answer.status, 403);
    assert.match((await answer.json()).message, /^You are signed out of the gateway/);
  }
});

test("what somebody may not do who is signed in is answered as ever", async () => {
  const known = watch({ isSignedOut: false, isKnown: true });
  for (const asked of [KERNEL, "https://hub/user/river/api/contents/a.ipynb"]) {
    const answer = await patient(server(403), known)(asked);

    assert.equal(await answer.text(), "its own words");
  }
});

test("terminals are connected again, and nothing is asked meanwhile", () => {
  const terminal = (connectionStatus, isDisposed = false) => ({
    connectionStatus,
    isDisposed,
    times: 0,
    async reconnect() {
      this.times += 1;
    },
  });
  const all = [
    terminal("connected"),
    terminal("connecting"),
    terminal("disconnected"),
    terminal("disconnected", true),
  ];
  const app = { info: { isConnected: true }, serviceManager: { serverSettings: {} } };
  const away = watch({ isSignedOut: false });
  keepQuiet(app, away, {
    forEach: (tell) => all.forEach((session) => tell({ content: { session } })),
  });

  away.becomes(true);
  assert.equal(app.info.isConnected, false);
  assert.deepEqual(
    all.map(({ times }) => times),
    [0, 0, 0, 0],
  );

  away.becomes(false);
  assert.equal(app.info.isConnected, true);
  assert.deepEqual(
    all.map(({ times }) => times),
    [0, 1, 1, 0],
  );
});
