// What a person is told about how things stand.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ABSENT, life, read } from "../src/standing.js";

const SIGN_IN = "https://hub.test/hub/login";
const ready = { id: "archive", title: "EVN archive", state: "ready", expires_in: 540 };

test("a server without an agent shows nothing", () => {
  assert.equal(read({ state: "absent" }, SIGN_IN), ABSENT);
});

test("all is well", () => {
  const identity = { provider: "iam", title: "IAM", state: "ok" };
  const told = read({ state: "active", identities: [identity], audiences: [ready] }, SIGN_IN);

  assert.equal(told.colour, "ok");
  assert.equal(told.title, "Tokens: 1 of 1");
  assert.deepEqual(told.services, [{ name: "EVN archive", colour: "ok", words: "9 min left" }]);
});

test("one that needs a sign-in comes first", () => {
  const again = { provider: "iam", title: "IAM", state: "reauth", reauth_url: "/hub/x" };
  const told = read({ state: "active", identities: [again], audiences: [ready] }, SIGN_IN);

  assert.equal(told.title, "Sign in again");
  assert.equal(told.identities[0].signIn, "/hub/x");
});

test("a freeze says why and what helps", () => {
  const signedOut = read(
    { state: "frozen", frozen_reason: "signed_out", audiences: [ready] },
    SIGN_IN,
  );
  assert.deepEqual([signedOut.title, signedOut.signIn], ["Signed out", SIGN_IN]);
  assert.equal(signedOut.services[0].words, "stopped");

  const stopped = read({ state: "frozen", frozen_reason: "ticket_replay" }, SIGN_IN);
  assert.equal(stopped.signIn, undefined);
  assert.match(stopped.explanation, /start the server again/);
});

test("while the gateway is away that is said", () => {
  const told = read({ state: "active", hub: "unreachable", audiences: [ready] }, SIGN_IN);

  assert.equal(told.title, "Tokens: gateway away");
});

test("nonsense is no reason to fail", () => {
  for (const nonsense of [null, 7, "x", [], {}, { state: "active", audiences: [null, 3] }]) {
    assert.equal(typeof read(nonsense, SIGN_IN).title, "string");
  }
  assert.deepEqual([life(30), life(600), life(undefined)], ["30 s left", "10 min left", "ready"]);
});
