// Tokens in real JupyterLab: a cell uses a protected service, longer than a token lives; the item in
// the status bar shows what is live; signing out ends it within a second, and signing in again in a
// window of its own brings it back without losing the notebook.

import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { after, before, describe } from "node:test";

import { launch, openPage, screenshot, story, until } from "./browser.mjs";
import { makeToken, setUp, startServer } from "./hub.mjs";
import { configuration, freePort, Jansky } from "./jansky.mjs";
import * as lab from "./lab.mjs";
import { demoPython, INSTALL_SECONDS } from "./python.mjs";

const ADMIN = { name: "grote", password: "a dish behind the house" };
const LIFETIME = 30;

/** A service that believes the issuer and nobody else (RFC 9068), and remembers whom it sent away. */
class Archive {
  accepted = new Set();
  refused = [];

  async start(issuer) {
    this.issuer = issuer;
    const server = createServer(async (request, response) => {
      try {
        const claims = await this.#check(request.headers.authorization ?? "");
        this.accepted.add(claims.jti);
        response.end(`${claims.preferred_username} may read, ${claims.scope}`);
      } catch (error) {
        this.refused.push(error.message);
        response.writeHead(401, { "WWW-Authenticate": 'Bearer error="invalid_token"' });
        response.end(error.message);
      }
    });
    this.server = server.listen(0, "127.0.0.1");
    await once(server, "listening");
    this.url = `http://127.0.0.1:${server.address().port}/`;
    return this;
  }

  async #check(authorization) {
    const [, token] = /^Bearer (\S+)$/.exec(authorization) ?? assert.fail("no token");
    const [header, payload, signature] = token.split(".");
    const decoded = (part) => JSON.parse(Buffer.from(part, "base64url"));
    const { alg, kid, typ } = decoded(header);
    assert.equal(typ, "at+jwt");
    assert.equal(alg, "ES256");
    const metadata = await this.#json(`${this.issuer}/.well-known/openid-configuration`);
    assert.equal(metadata.issuer, this.issuer);
    const { keys } = await this.#json(metadata.jwks_uri);
    const jwk = keys.find((key) => key.kid === kid) ?? assert.fail("an unknown key");
    const key = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
    const signed = Buffer.from(`${header}.${payload}`);
    assert.ok(verify("sha256", signed, key, Buffer.from(signature, "base64url")), "a bad signature");
    const claims = decoded(payload);
    assert.equal(claims.iss, this.issuer);
    assert.deepEqual([claims.aud].flat(), ["archive"]);
    assert.ok(claims.exp > Date.now() / 1000, "the token has ended");
    assert.ok(claims.exp - claims.iat <= LIFETIME, "it lives too long");
    return claims;
  }

  async #json(url) {
    const answer = await fetch(url);
    assert.equal(answer.status, 200, url);
    return answer.json();
  }
}

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
            spawner: { default_url: "/lab", home_dir: join(folder, "homes/{username}") },
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
      archive = await new Archive().start(`${hub.hub}oidc`);
      browser = await launch();
      page = await openPage(browser);
      await setUp(page, { ...ADMIN, url: await hub.setUpLink() });
      token = await makeToken(page, { hub: hub.hub, note: "for the tests" });
    },
    { timeout: INSTALL_SECONDS * 1000 },
  );

  after(async () => {
    await browser?.close();
    archive?.server.close();
    await hub?.end({ token });
  });

  step("a cell reads from a protected service", async () => {
    await startServer(page, { hub: hub.hub });
    await lab.openLab(page, server());
    await lab.createNotebook(page);
    const code = `
import os, jansky, requests
archive = ${JSON.stringify(archive.url)}
print(requests.get(archive, auth=jansky.Auth("archive")).text)
print(os.environ["JANSKY_AGENT_SOCKET"])`;
    const { text, error } = await lab.run(page, code.trim());

    assert.equal(error, undefined);
    assert.match(text, /^grote may read, archive:read$/m);
    socket = /^\/\S+agent\.sock$/m.exec(text)?.[0];
    assert.ok(socket, text);
  });

  step("and goes on doing so when the token has ended, without noticing", async () => {
    const code = `
import time
session, end = jansky.session("archive"), time.time() + ${LIFETIME + 12}
answers = set()
while time.time() < end:
    answers.add(session.get(archive).status_code)
    time.sleep(0.5)
print(answers)`;
    const { text } = await lab.run(page, code.trim(), LIFETIME + 60);

    assert.match(text, /^\{200\}$/m);
    assert.ok(archive.accepted.size >= 2, `${archive.accepted.size} tokens`);
    assert.deepEqual(archive.refused, []);
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

  step("signing out ends it within a second", async () => {
    // JupyterLab may notice first that it is signed out, and say so over everything else.
    await page.addLocatorHandler(page.locator(".jp-Dialog"), async () => {
      await page.locator(".jp-Dialog-footer button").last().click();
    });
    assert.equal((await ask(socket)).status, 200);
    const other = await page.context().newPage();
    await other.goto(`${hub.hub}home`);
    await other.getByRole("link", { name: "Sign out" }).click();
    const answered = other.waitForResponse(
      (response) => response.request().method() === "POST" && response.url().includes("logout"),
    );
    await other.getByRole("button", { name: "Sign out" }).click();
    await answered;
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
    await other.close();

    await until("the item does not say so", async () => {
      return (await item().innerText()).trim() === "Signed out";
    });
    await item().click();
    await popup().getByRole("button", { name: "Sign in again" }).waitFor();
    await screenshot(page, "tokens-2-signed-out-dark");
  });

  step("signing in again in a window of its own brings it back with the notebook", async () => {
    const opening = page.waitForEvent("popup");
    await popup().getByRole("button", { name: "Sign in again" }).click();
    const window = await opening;
    const closing = window.waitForEvent("close", { timeout: 60_000 });
    await window.getByLabel("User name").fill(ADMIN.name);
    await window.getByLabel("Password").fill(ADMIN.password);
    await window.getByRole("button", { name: "Sign in", exact: true }).click();
    await closing;

    await until("the item does not say so", async () => {
      return (await item().innerText()).trim() === "Tokens: 1 of 1";
    });
    await page.keyboard.press("Escape");
    const { text } = await lab.runAgain(page, "print(answers, session.get(archive).text)");
    assert.match(text, /\{200\} grote may read/);
    await screenshot(page, "tokens-3-again-dark");
  });
});

/** Asks the agent, as the code of the server does. */
async function ask(socketPath) {
  const [answer] = await once(
    request({ socketPath, path: "/v1/token?audience=archive", host: "agent" }).end(),
    "response",
  );
  let text = "";
  for await (const piece of answer.setEncoding("utf8")) {
    text += piece;
  }
  return { status: answer.statusCode, body: JSON.parse(text) };
}
