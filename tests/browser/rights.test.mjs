// Tokens from beginning to end, in real JupyterLab, for somebody who signed in through a real Keycloak:
// a cell uses protected services for longer than a token lives; then a group is taken away in Keycloak,
// and then the person signs out. The same story in a process and in a container, at the same time.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe } from "node:test";

import { Archive, certificateFor, OF_KEYCLOAK } from "./archive.mjs";
import { launch, openPage, screenshot } from "./browser.mjs";
import { gateway, inContainers, passOn } from "./docker.mjs";
import {
  chooseProvider,
  makeToken,
  setUp,
  signInAtKeycloak,
  signOutBeside,
  startServer,
} from "./hub.mjs";
import { configuration, freePort, Jansky } from "./jansky.mjs";
import { fromEnvironment, makeClient, makePerson, ownName } from "./keycloak.mjs";
import * as lab from "./lab.mjs";
import { demoPython, INSTALL_SECONDS } from "./python.mjs";
import { after, before, story } from "./story.mjs";
import { until } from "./waiting.mjs";

const ADMIN = { name: "grote", password: "a dish behind the house" };

/** How many seconds tokens live at this Keycloak. */
const LIFETIME = 30;

/** Seconds in which a group that is gone must be gone here: docs/concepts/rights.md, rows 1 and 2. */
const BOUND = LIFETIME + 1;

const PLACES = [
  {
    name: "in a process",
    config: (port, python) => ({ port, python, spawner: { default_url: "/lab" } }),
  },
  {
    name: "in a container",
    config: (port) => inContainers(port),
    prepare: (port) => passOn(port),
  },
];

let browser;
let certificate;
let client;
let folder;
let python;

before(
  async () => {
    folder = mkdtempSync(join(tmpdir(), "jansky-rights-"));
    certificate = certificateFor(gateway(), folder);
    [python, browser, client] = await Promise.all([demoPython(), launch(), makeClient(LIFETIME)]);
  },
  { seconds: INSTALL_SECONDS },
);

after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A service of Keycloak's, which containers reach as well. */
function service(audience) {
  const issuer = fromEnvironment("KEYCLOAK_ISSUER");
  const made = new Archive({ issuer, audience, lifetime: LIFETIME, look: OF_KEYCLOAK });
  return made.start({ address: gateway(), certificate });
}

function tell(place) {
  let archive;
  let catalogue;
  let hub;
  let page;
  let person;
  let stopPassingOn;
  let token;

  const step = story(() => [page].filter(Boolean));

  before(
    async () => {
      const group = ownName("evn");
      person = await makePerson(ownName("zoe"), group);
      [archive, catalogue] = [await service("rs-a"), await service("rs-b")];
      const port = await freePort();
      const { hub: address, ...sections } = place.config(port, python);
      const audience = (id, scope, who) => ({
        source: "exchange",
        provider: "keycloak",
        audience: id,
        scopes: [scope],
        ...who,
      });
      hub = Jansky.serve(`rights ${place.name}`.replaceAll(" ", "-"), {
        config: (folder) =>
          configuration(folder, {
            ...sections,
            hub: { public_url: `http://127.0.0.1:${port}/`, redirect_to_server: false, ...address },
            providers: {
              keycloak: {
                kind: "keycloak",
                title: "Keycloak",
                issuer: fromEnvironment("KEYCLOAK_ISSUER"),
                client_id: client,
                client_secret: { env: "JANSKY_TEST_KEYCLOAK_CLIENT_SECRET" },
                allow_all: true,
              },
            },
            audiences: {
              archive: audience("rs-a", "archive:read", { allowed_groups: [`/${group}`] }),
              catalogue: audience("rs-b", "catalogue:read", { allow_all: true }),
            },
          }),
      });
      stopPassingOn = await place.prepare?.(port);
      await hub.start();
      const admin = await openPage(browser);
      await setUp(admin, { ...ADMIN, url: await hub.setUpLink() });
      token = await makeToken(admin, { hub: hub.hub, note: "for the tests" });
      await admin.context().close();
    },
    { seconds: 120 },
  );

  after(async () => {
    await page?.context().close();
    await hub?.end({ token });
    stopPassingOn?.();
    archive?.end();
    catalogue?.end();
  });

  step("a cell reads from services that believe Keycloak", async () => {
    page = await openPage(browser);
    await chooseProvider(page, { url: hub.url, title: "Keycloak" });
    await signInAtKeycloak(page, person);
    await page.getByRole("heading", { name: "My server" }).waitFor();
    await startServer(page, { hub: hub.hub });
    await lab.openLab(page, `${hub.url}user/${person.name}/`);
    await lab.createNotebook(page);
    const code = `
import jansky, pathlib, requests, threading, time
pathlib.Path("archive.pem").write_text("""${certificate.cert}""")
ARCHIVE, CATALOGUE = "${archive.url}", "${catalogue.url}"
archive, catalogue = jansky.session("archive"), jansky.session("catalogue")
def read(session, url):
    return session.get(url, verify="archive.pem", timeout=20)
print(read(archive, ARCHIVE).text)
print(read(catalogue, CATALOGUE).text)`;
    const { text, error } = await lab.run(page, code.trim());

    assert.equal(error, undefined);
    assert.match(text, new RegExp(`^${person.name} may read, .*\\barchive:read\\b`, "m"));
    assert.match(text, new RegExp(`^${person.name} may read, .*\\bcatalogue:read\\b`, "m"));
  });

  step("and goes on when the tokens have ended, without noticing", async () => {
    const code = `
first, answers = jansky.token("archive"), set()
while time.time() < first.expires_at + 2:
    answers.add(read(archive, ARCHIVE).status_code)
    time.sleep(0.5)
print(answers, first != jansky.token("archive"))`;
    const { text, error } = await lab.run(page, code.trim(), LIFETIME + 60);

    assert.match(text, /^\{200\} True$/m, error);
    assert.ok(archive.accepted.size >= 2, `${archive.accepted.size} tokens`);
    assert.deepEqual(archive.refused, []);
  });

  step("when Keycloak has taken the group away the next request is refused in time", async () => {
    await person.leave();
    const left = Date.now();
    const code = `
try:
    while time.time() < ${left / 1000 + BOUND + 15}:
        read(archive, ARCHIVE).raise_for_status()
        time.sleep(0.1)
except jansky.NotAllowed:
    print("refused at", time.time())
print(read(catalogue, CATALOGUE).status_code)`;
    const { text, error } = await lab.run(page, code.trim(), BOUND + 60);

    const at = Number(/^refused at ([\d.]+)$/m.exec(text)?.[1] ?? assert.fail(error ?? text));
    const took = at - left / 1000;
    assert.ok(took < BOUND, `it took ${took} s`);
    assert.match(text, /^200$/m, "what everybody may have is given still");
    assert.deepEqual(archive.refused, []);
    await screenshot(page, `rights-${place.name.replaceAll(" ", "-")}`);
  });

  step("when the person has signed out the agent refuses within a second", async () => {
    const code = `
def go_on():
    try:
        while True:
            read(catalogue, CATALOGUE).raise_for_status()
            time.sleep(0.05)
    except Exception as error:
        said = f"{type(error).__name__} {getattr(error, 'reason', None)}"
        requests.post(CATALOGUE + "told", said, verify="archive.pem")
threading.Thread(target=go_on).start()`;
    const { served } = catalogue;
    await lab.run(page, code.trim());
    await until("it does not go on", () => catalogue.served > served + 2);

    await signOutBeside(page, { hub: hub.hub });
    const signedOut = performance.now();

    const { at, text } = await until("it goes on still", () => catalogue.told.at(0), 20);
    assert.equal(text, "Frozen signed_out");
    assert.ok(at - signedOut < 1000, `it took ${at - signedOut} ms`);
    assert.deepEqual(catalogue.refused, []);
  });

  step("nothing is left of it when the hub ends", async () => {
    assert.deepEqual(await hub.end({ token }), []);
  });
}

// They wait most of the time, and so they wait together.
describe("somebody from Keycloak with tokens for a group", { concurrency: PLACES.length }, () => {
  for (const place of PLACES) {
    describe(place.name, { concurrency: 1 }, () => tell(place));
  }
});
