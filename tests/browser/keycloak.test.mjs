// `jansky serve` as a site runs it: several ways to sign in on one page, a real Keycloak and a
// second provider behind two of them, on SQLite and on PostgreSQL.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { describe } from "node:test";

import { launch, look, openPage, screenshot } from "./browser.mjs";
import {
  askHub,
  chooseProvider,
  makeToken,
  setUp,
  signIn,
  signInAtKeycloak,
  signInAtOidcProvider,
  signOut,
  startServer,
} from "./hub.mjs";
import { configuration, freePort, Jansky } from "./jansky.mjs";
import { fromEnvironment } from "./keycloak.mjs";
import * as lab from "./lab.mjs";
import { demoPython, INSTALL_SECONDS } from "./python.mjs";
import { after, before, story } from "./story.mjs";

const ADMIN = { name: "grote", password: "a dish behind the house" };
const RIVER = { name: "river", password: "river-password" };

let browser;
let python;

before(
  async () => {
    python = await demoPython();
    browser = await launch();
  },
  { seconds: INSTALL_SECONDS },
);

after(() => browser?.close());

function provider(title, name) {
  return {
    title,
    issuer: fromEnvironment(`${name}_ISSUER`),
    client_id: fromEnvironment(`${name}_CLIENT_ID`),
    client_secret: { env: `JANSKY_TEST_${name}_CLIENT_SECRET` },
    allow_all: true,
  };
}

/** Makes a database of its own on the test server. */
function makeDatabase() {
  const server = fromEnvironment("POSTGRES");
  const name = `jansky_${randomBytes(6).toString("hex")}`;
  const sql = (text) => execFileSync("psql", [server, "-qX", "-c", text], { timeout: 30_000 });
  sql(`create database ${name}`);
  const url = new URL(server);
  url.pathname = name;
  return { url: url.href, drop: () => sql(`drop database ${name} with (force)`) };
}

async function serve(name, database) {
  const port = await freePort();
  const hub = Jansky.serve(name, {
    config: (folder) =>
      configuration(folder, {
        port,
        python,
        database: database && { url: database },
        hub: { redirect_to_server: false },
        spawner: { poll_interval: "5s" },
        providers: {
          keycloak: {
            ...provider("Keycloak", "KEYCLOAK"),
            // One site pushes its sign-ins; at the other the browser's address has the state,
            // which the test needs to bring back wrong ones.
            pushed_authorization: database !== undefined,
          },
          second: { ...provider("Second provider", "OIDC_PROVIDER"), sign_out: "offer" },
        },
      }),
  });
  await hub.start();
  return hub;
}

/** River signs in at Keycloak and works on a server; then the hub is killed and started again. */
function riverWorks(step, { name, hub, page }) {
  step("signs in on Keycloak's own page and knows the groups of the realm", async () => {
    await chooseProvider(page(), { url: hub().url, title: "Keycloak" });
    await page().locator("#kc-login").waitFor();
    assert.ok(page().url().startsWith(fromEnvironment("KEYCLOAK_ISSUER")), page().url());
    await screenshot(page(), `${name}-2-at-keycloak`);
    await signInAtKeycloak(page(), RIVER);

    await page().getByRole("heading", { name: "My server" }).waitFor();
    const { status, body } = await askHub(page(), "user");
    assert.equal(status, 200);
    assert.equal(body.name, "river");
    assert.equal(body.admin, false);
    assert.deepEqual(body.groups.toSorted(), ["/radio/evn", "/staff"]);
    assert.deepEqual(page().problems, []);
  });

  step("starts a server and runs a cell in it", async () => {
    const { messages } = await startServer(page(), { hub: hub().hub });
    assert.ok(messages.length >= 2, `messages: ${JSON.stringify(messages)}`);
    await lab.openLab(page(), `${hub().url}user/river/`);
    await lab.createNotebook(page());

    const { text } = await lab.run(
      page(),
      "import os; kept = 6 * 7; print(os.environ['JUPYTERHUB_USER'], kept)",
    );

    assert.match(text, /^river 42/);
    await lab.save(page());
  });

  step("goes on after kill -9 with the kernel's variables", async () => {
    const servers = hub().servers();
    assert.ok(servers.length >= 2, `a server and a kernel: ${servers}`);

    await hub().kill();
    await hub().start();

    const { text } = await lab.runAgain(page(), "print('still', kept)");
    assert.match(text, /^still 42/);
    assert.deepEqual(hub().servers(), servers, "a server or kernel was ended or started");
    await page().goto(`${hub().hub}home`);
    assert.equal(await page().locator(".state").first().innerText(), "Running");
    await screenshot(page(), `${name}-3-home-after-kill`);
  });
}

describe("a site with several ways to sign in", () => {
  let hub;
  let admin;
  let river;
  let token;
  /** Where Keycloak sent the browser of river back to. */
  let callback;

  const step = story(() => [admin, river].filter(Boolean));

  before(async () => {
    hub = await serve("site");
  });

  after(() => hub?.end({ token }));

  step("gets its first admin through the link that it prints", async () => {
    const link = await hub.setUpLink();
    admin = await openPage(browser);
    await admin.goto(link);
    await look(admin, "site-1-set-up");

    // A browser would not send this; somebody else might.
    await admin.getByLabel("Password").evaluate((field) => field.removeAttribute("minlength"));
    await admin.getByLabel("User name").fill(ADMIN.name);
    await admin.getByLabel("Password").fill("short");
    await admin.getByRole("button", { name: "Create the administrator" }).click();
    assert.match(await admin.getByRole("alert").innerText(), /too short/);
    await look(admin, "site-1-set-up-refused");

    await setUp(admin, { ...ADMIN, url: link });
    await admin.getByRole("heading", { name: "My server" }).waitFor();
    assert.match(await admin.locator(".who").innerText(), /grote.*administrator/);
    token = await makeToken(admin, { hub: hub.hub, note: "for the tests" });
    await look(admin, "site-1-token");
    const { body } = await hub.api("user", { token });
    assert.deepEqual([body.name, body.admin], ["grote", true]);

    const late = await openPage(browser);
    const answer = await late.goto(link);
    assert.equal(answer.status(), 404);
    assert.match(await late.locator("main").innerText(), /has been used or has expired/);
    await look(late, "site-1-set-up-used");
    await late.context().close();
    assert.deepEqual(admin.problems, []);
  });

  step("offers all ways to sign in on one page", async () => {
    river = await openPage(browser);
    await river.goto(hub.url);
    const ways = await river.locator("main").getByRole("link").allInnerTexts();
    assert.deepEqual(ways, ["Sign in with Keycloak", "Sign in with Second provider"]);
    await river.getByLabel("Password").waitFor();
    await look(river, "site-2-sign-in");
    river.on("request", (request) => {
      if (request.url().includes("/hub/oauth_callback?")) {
        callback = request.url();
      }
    });
  });

  riverWorks(step, { name: "site", hub: () => hub, page: () => river });

  step("lets another person in through the second provider at the same time", async () => {
    const wash = await openPage(browser);
    await chooseProvider(wash, { url: hub.url, title: "Second provider" });
    await signInAtOidcProvider(wash, { name: "wash" });
    await wash.getByRole("heading", { name: "My server" }).waitFor();
    const { body } = await askHub(wash, "user");
    assert.deepEqual([body.name, body.groups], ["wash", ["radio"]]);
    assert.equal((await askHub(river, "user")).body.name, "river");

    await signOut(wash, { hub: hub.hub });
    await wash.goto(`${hub.hub}home`);
    await wash.getByRole("heading", { name: "Sign in" }).waitFor();
    assert.deepEqual(wash.problems, []);
    await wash.context().close();
  });

  step("does not take a name at one provider for the same name at another", async () => {
    const page = await openPage(browser);
    await chooseProvider(page, { url: hub.url, title: "Second provider" });
    await signInAtOidcProvider(page, { name: "river" });

    assert.match(await page.getByRole("alert").innerText(), /belongs to another account/);
    await look(page, "site-4-name-taken");
    await page.goto(`${hub.hub}home`);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.context().close();
  });

  step("answers everything that can go wrong on the way with the sign-in page", async () => {
    const page = await openPage(browser);
    const stateOf = async (page) => {
      const leave = `${hub.hub}oauth_login?idp=keycloak`;
      const answer = await page.request.get(leave, { maxRedirects: 0 });
      return new URL(answer.headers().location).searchParams.get("state");
    };
    const other = await openPage(browser);
    const back = `${hub.hub}oauth_callback`;
    const iss = encodeURIComponent(fromEnvironment("KEYCLOAK_ISSUER"));
    const cases = [
      ["unknown provider", 404, /no such way/, `${hub.hub}oauth_login?idp=nobody`],
      ["no provider", 404, /Choose a way/, `${hub.hub}oauth_login`],
      ["no state", 400, /sign in again/, `${back}?code=x`],
      ["wrong state", 400, /sign in again/, `${back}?code=x&state=wrong`],
      ["used state", 400, /already used/, callback],
      ["other browser", 400, /another browser/, `${back}?code=x&state=${await stateOf(other)}`],
      ["no issuer", 403, /start again/, `${back}?code=x&state=${await stateOf(page)}`],
      ["wrong code", 403, /start again/, `${back}?code=x&iss=${iss}&state=${await stateOf(page)}`],
      [
        "refusal",
        403,
        /cancelled/,
        `${back}?error=access_denied&iss=${iss}&state=${await stateOf(page)}`,
      ],
    ];
    for (const [what, status, words, url] of cases) {
      const answer = await page.goto(url);
      assert.equal(answer.status(), status, what);
      assert.equal(await page.getByRole("heading").first().innerText(), "Sign in", what);
      assert.match(await page.getByRole("alert").innerText(), words, what);
      assert.ok(await page.getByRole("link", { name: "Sign in with Keycloak" }).isVisible(), what);
    }
    await look(page, "site-5-refusal");

    // Nobody was signed out by it, and signing in works from here.
    await river.goto(callback);
    assert.match(await river.getByRole("alert").innerText(), /already used/);
    assert.equal((await askHub(river, "user")).body.name, "river");
    await chooseProvider(page, { url: `${hub.hub}login`, title: "Keycloak" });
    await signInAtKeycloak(page, RIVER);
    await page.getByRole("heading", { name: "My server" }).waitFor();
    assert.deepEqual(page.problems, []);
    await page.context().close();
    await other.context().close();
  });

  step("never leaves the host after signing in", async () => {
    for (const next of ["https://elsewhere.test/", "//elsewhere.test/x", "/\\elsewhere.test"]) {
      const page = await openPage(browser);
      await signIn(page, { ...ADMIN, url: `${hub.hub}login?next=${encodeURIComponent(next)}` });
      await page.getByRole("heading", { name: "My server" }).waitFor();
      assert.ok(page.url().startsWith(hub.url), `${next} led to ${page.url()}`);
      await page.context().close();
    }
    const page = await openPage(browser);
    await signIn(page, { ...ADMIN, url: `${hub.hub}token` });
    assert.equal(new URL(page.url()).pathname, "/hub/token");
    await page.context().close();
  });

  step("refuses further passwords after many wrong ones, in words", async () => {
    const page = await openPage(browser);
    await page.goto(`${hub.hub}login`);
    const statuses = [];
    // Ten of them, and one more for every six seconds that they take.
    while (statuses.length < 30 && !statuses.includes(429)) {
      await page.getByLabel("User name").fill("reber");
      await page.getByLabel("Password").fill("wrong");
      const answered = page.waitForResponse((answer) => answer.request().method() === "POST");
      await page.getByRole("button", { name: "Sign in", exact: true }).click();
      statuses.push((await answered).status());
      await page.getByRole("alert").waitFor();
    }
    assert.deepEqual([statuses[0], statuses.at(-1)], [403, 429], `${statuses}`);
    await look(page, "site-6-too-many");
    await page.context().close();
  });

  step("signs out at Keycloak, too, without a question there", async () => {
    // Keycloak asks where it is told of another sign-in than the browser's: the hub tells of the last.
    const page = await openPage(browser);
    await chooseProvider(page, { url: `${hub.hub}login`, title: "Keycloak" });
    await signInAtKeycloak(page, RIVER);
    await page.goto(`${hub.hub}logout`);
    await look(page, "site-7-sign-out");
    await signOut(page, { hub: hub.hub });
    assert.match(await page.locator("h1").innerText(), /You are signed out/);
    assert.ok(page.url().startsWith(`${hub.hub}logout?`), page.url());

    await chooseProvider(page, { url: `${hub.hub}login`, title: "Keycloak" });
    await page.locator("#kc-login").waitFor();
    await page.context().close();
  });

  step("ends with its servers when it is asked to", async () => {
    assert.deepEqual(await hub.end({ token }), []);
  });
});

describe("a site on PostgreSQL", () => {
  let database;
  let hub;
  let admin;
  let river;
  let token;

  const step = story(() => [admin, river].filter(Boolean));

  before(async () => {
    database = makeDatabase();
    hub = await serve("postgres", database.url);
    admin = await openPage(browser);
    river = await openPage(browser);
  });

  after(async () => {
    await hub?.end({ token });
    database?.drop();
  });

  step("gets its first admin through the link that it prints", async () => {
    await setUp(admin, { ...ADMIN, url: await hub.setUpLink() });
    token = await makeToken(admin, { hub: hub.hub, note: "for the tests" });
    assert.equal((await hub.api("user", { token })).body.name, "grote");
  });

  riverWorks(step, { name: "postgres", hub: () => hub, page: () => river });

  step("ends with its servers when it is asked to", async () => {
    assert.deepEqual(await hub.end({ token }), []);
  });
});
