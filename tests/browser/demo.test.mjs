// The main job, as a newcomer does it: `jansky demo` from nothing, sign in, start the server, run
// the notebook; the program is killed and started again meanwhile; two people do not disturb each
// other; and signing out ends it all.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, readdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe } from "node:test";

import { closePage, launch, look, openPage, screenshot } from "./browser.mjs";
import { signIn, startServer } from "./hub.mjs";
import { BINARY, freePort, Jansky } from "./jansky.mjs";
import * as lab from "./lab.mjs";
import { discard, INSTALL_SECONDS, keepDemoPython } from "./python.mjs";
import { after, before, story } from "./story.mjs";
import { until, within } from "./waiting.mjs";

describe("the demo", () => {
  let browser;
  let demo;
  let elsewhere;
  let environment;
  /** The pages of the two accounts, each in a browser session of its own. */
  let grote;
  let reber;

  const step = story(() => [grote, reber].filter(Boolean));
  const account = (name) => demo.ready.accounts.find((account) => account.name === name);
  const server = (name) => `${demo.url}user/${name}/`;

  before(async () => {
    // What programs write outside of the demo's directory would be here. Nothing is downloaded yet.
    elsewhere = mkdtempSync(join(tmpdir(), "jansky-elsewhere-"));
    environment = {
      XDG_CACHE_HOME: join(elsewhere, "a"),
      XDG_DATA_HOME: join(elsewhere, "b"),
    };
    demo = Jansky.demo("demo", { port: await freePort(), environment });
    browser = await launch();
  });

  after(async () => {
    await browser?.close();
    await demo?.end({ token: demo.ready?.admin_token });
    discard(elsewhere);
  });

  step(
    "prepares everything and says where to go",
    async () => {
      const { url, accounts, admin_token } = await demo.start(INSTALL_SECONDS);

      assert.deepEqual(
        accounts.map(({ name, admin }) => ({ name, admin })),
        [
          { name: "grote", admin: true },
          { name: "reber", admin: false },
        ],
      );
      // It is ready before it has said everything.
      const said = await until("it does not say how to go on", () => {
        return /found again at the next start\.$/m.test(demo.said()) && demo.said();
      });
      assert.match(said, /^Preparing JupyterLab/m);
      assert.match(said, /^Preparing JupyterLab: downloading and installing/m);
      assert.match(said, /^JupyterLab is prepared \(\d+ s\)$/m);
      assert.ok(!said.includes("\r"), "a line moves where there is no terminal");
      assert.ok(said.includes(`Open  ${url}`), said);
      for (const { name, password } of accounts) {
        assert.match(said, new RegExp(`^ {2}user ${name} +password ${password}`, "m"));
      }
      const { body } = await demo.api("user", { token: admin_token });
      assert.equal(body.name, "grote");
      assert.equal(statSync(join(demo.folder, "ready.json")).mode & 0o77, 0, "others can read it");
      assert.deepEqual(readdirSync(elsewhere), ["a"], "it wrote outside of its directory");
      assert.deepEqual(
        readdirSync(join(elsewhere, "a")),
        ["jansky"],
        "it wrote outside of its cache",
      );
    },
    { seconds: INSTALL_SECONDS },
  );

  step(
    "prepares a second home without the network, in one line that moves on a terminal",
    async () => {
      const ready = join(elsewhere, "second.json");
      const home = join(elsewhere, "second");
      // Nobody has ever listened there.
      const nowhere = "http://127.0.0.1:1";
      const command = `exec ${BINARY} demo --no-input --port 0 --home ${home} --ready-file ${ready}`;
      const terminal = spawn("script", ["-qefc", command, "/dev/null"], {
        env: {
          ...{ ...process.env, ...environment, NO_PROXY: "", no_proxy: "" },
          ...{ ALL_PROXY: nowhere, HTTP_PROXY: nowhere, HTTPS_PROXY: nowhere },
          ...{ all_proxy: nowhere, http_proxy: nowhere, https_proxy: nowhere },
        },
        stdio: ["ignore", "pipe", "inherit"],
      });
      let said = "";
      terminal.stdout.on("data", (data) => (said += data));
      const ended = once(terminal, "close");

      const { url, admin_token } = await until(
        "the second demo did not become ready",
        () => {
          assert.equal(terminal.exitCode, null, said);
          return existsSync(ready) && JSON.parse(readFileSync(ready, "utf8"));
        },
        INSTALL_SECONDS,
      );
      const answer = await fetch(`${url}hub/api/shutdown`, {
        method: "POST",
        headers: { Authorization: `token ${admin_token}` },
        signal: AbortSignal.timeout(30_000),
      });
      assert.equal(answer.status, 202);
      await within(60, "the second demo does not end", ended);

      const lines = said.split("\n").filter((line) => line.includes("JupyterLab"));
      assert.equal(lines.length, 1, said);
      assert.ok(lines[0].split("\r\x1b[K").length > 2, `it does not move: ${said}`);
      assert.match(lines[0], /JupyterLab is prepared \(\d+ s\)\r$/);
      assert.doesNotMatch(said, /downloading/);
    },
    { seconds: INSTALL_SECONDS },
  );

  step("refuses a wrong password in a friendly way and lets the right one in", async () => {
    grote = await openPage(browser);
    await grote.goto(demo.url);
    await grote.getByRole("heading", { name: "Sign in" }).waitFor();
    await look(grote, "demo-1-sign-in");

    await grote.getByLabel("User name").fill("grote");
    await grote.getByLabel("Password").fill("a wrong password");
    await grote.getByRole("button", { name: "Sign in", exact: true }).click();
    const alert = grote.getByRole("alert");
    assert.equal(await alert.innerText(), "The user name or the password is wrong.");
    assert.equal(await grote.getByLabel("User name").inputValue(), "grote");
    await look(grote, "demo-2-wrong-password");

    await signIn(grote, { ...account("grote"), url: `${demo.hub}login?next=%2Fhub%2Fhome` });
    await grote.getByRole("heading", { name: "My server" }).waitFor();
    assert.match(await grote.locator(".who").innerText(), /grote/);
    await look(grote, "demo-3-home");
    assert.deepEqual(grote.problems, []);
  });

  step("starts the server and shows how far it is", async () => {
    const { messages, percents } = await startServer(grote, {
      hub: demo.hub,
      onPending: () => screenshot(grote, "demo-4-starting"),
    });

    assert.ok(messages.length >= 2, `messages: ${JSON.stringify(messages)}`);
    assert.deepEqual(
      percents,
      percents.toSorted((a, b) => a - b),
    );
    assert.deepEqual(grote.problems, []);
    await lab.labReady(grote);
    assert.equal(new URL(grote.url()).pathname, "/user/grote/lab/tree/welcome.ipynb");
    await screenshot(grote, "demo-5-jupyterlab");
  });

  step("runs the notebook with a radio map and a token in it", async () => {
    const cells = await lab.runAll(grote);
    await screenshot(grote, "demo-6-notebook");

    assert.deepEqual(cells.map((cell) => cell.error).filter(Boolean), []);
    assert.match(cells[0].text, /Parkes/);
    assert.match(cells[0].text, /^1420\.406 MHz, beam \d+\.\d arcmin/m);
    assert.match(cells[1].text, /^brightest: \d+\.\d+ Jy\/beam at 19h39m\d+s -63d\d+m\d+s/m);
    assert.equal(cells[2].images, 1);
    assert.match(cells[3].text, /^a token with archive:read for archive, good for 10 minutes/);

    const { text } = await lab.run(grote, "kept = round(float(sky[y, x]), 3); print('kept', kept)");
    assert.match(text, /^kept \d+\.\d+/);
    await lab.save(grote);
  });

  step("keeps two people apart", async () => {
    reber = await openPage(browser);
    await signIn(reber, { ...account("reber"), url: demo.url });
    await startServer(reber, { hub: demo.hub });
    await lab.labReady(reber);
    const { text } = await lab.run(reber, "mine = 'reber'; print(mine, 'kept' in globals())");
    assert.match(text, /^reber False/);

    for (const [page, own, other] of [
      [reber, "reber", "grote"],
      [grote, "grote", "reber"],
    ]) {
      const visitor = await page.context().newPage();
      await visitor.goto(`${demo.hub}home`);
      const links = await visitor.locator("main a").evaluateAll((all) => all.map((it) => it.href));
      assert.ok(
        links.some((link) => link.includes(`/user/${own}`)),
        `${own} sees no server`,
      );
      assert.ok(!links.some((link) => link.includes(other)), `${own} sees ${links}`);

      const answer = await visitor.goto(`${server(other)}lab`);
      await look(visitor, `demo-7-${own}-at-${other}`);
      if (own === "grote") {
        // An administrator may go there, but not without having been asked.
        await visitor.getByRole("heading", { name: /wants to know who you are$/ }).waitFor();
        assert.match(await visitor.locator("main").innerText(), /It belongs to reber\./);
        await visitor.getByRole("link", { name: "Do not allow" }).click();
        await visitor.waitForLoadState();
        await screenshot(visitor, `demo-7-${own}-at-${other}-denied`);
      } else {
        await visitor.getByRole("heading", { name: "You may not do this" }).waitFor();
        assert.equal(answer.status(), 403);
      }
      assert.equal(await visitor.locator("#jupyter-config-data").count(), 0);
      const api = await visitor.request.get(`${server(other)}api/contents`);
      assert.ok([401, 403, 404].includes(api.status()), `${own} got ${api.status()}`);
      await closePage(visitor);
    }
    const kept = await reber.context().cookies(`${demo.hub}home`);
    const about = await reber.request.get(`${demo.hub}api/users/grote`, {
      headers: { "X-XSRFToken": kept.find(({ name }) => name === "_xsrf").value },
    });
    assert.equal(about.status(), 404);
  });

  step("survives kill -9 while the kernels keep their variables", async () => {
    const before = demo.servers();
    assert.ok(before.length >= 4, `two servers and two kernels: ${before}`);

    await demo.kill();
    const began = Date.now();
    await demo.start();
    assert.ok(Date.now() - began < 15_000, "the second start prepared something");

    assert.deepEqual(demo.servers(), before, "a server or kernel was ended or started");
    const again = await lab.runAgain(grote, "print('still', kept, path.name)");
    assert.match(again.text, /^still \d+\.\d+ 1904-66_AZP\.fits/);
    await screenshot(grote, "demo-8-after-kill");

    await grote.goto(demo.url);
    await lab.labReady(grote);
    const { text } = await lab.run(grote, "print('reloaded', kept)");
    assert.match(text, /^reloaded \d+\.\d+/);
    const other = await lab.runAgain(reber, "print('still', mine)");
    assert.match(other.text, /^still reber/);
  });

  step("ends the session on sign-out, at the server too", async () => {
    // What somebody who has copied the cookies can do.
    const stolen = {};
    for (const path of ["/user/grote/api/contents", "/hub/home"]) {
      stolen[path] = await grote.context().cookies(new URL(path, demo.url).href);
    }
    const ask = (path) =>
      fetch(new URL(path, demo.url), {
        headers: {
          Accept: "application/json",
          Cookie: stolen[path].map(({ name, value }) => `${name}=${value}`).join("; "),
          "X-XSRFToken": stolen[path].find(({ name }) => name === "_xsrf").value,
        },
        redirect: "manual",
        signal: AbortSignal.timeout(10_000),
      });
    assert.equal((await ask("/user/grote/api/contents")).status, 200);
    assert.equal((await ask("/hub/home")).status, 200);

    await lab.logOut(grote);
    await grote.getByRole("heading", { name: "Sign out?" }).waitFor();
    await look(grote, "demo-9-sign-out");
    await grote.getByRole("button", { name: "Sign out" }).click();
    await grote.getByRole("heading", { name: "You are signed out" }).waitFor();
    await look(grote, "demo-10-signed-out");

    assert.equal((await ask("/user/grote/api/contents")).status, 403, "old cookies at the server");
    assert.equal((await ask("/hub/home")).status, 302, "old cookies at the hub");
    await grote.goto(`${demo.hub}home`);
    await grote.getByRole("heading", { name: "Sign in" }).waitFor();
    await grote.goto(`${server("grote")}lab`);
    await grote.getByRole("heading", { name: "Sign in" }).waitFor();

    // The other person goes on as if nothing had happened.
    const { text } = await lab.run(reber, "print('and', mine)");
    assert.match(text, /^and reber/);
  });

  step("leaves no process behind when it is told to stop its servers", async () => {
    const python = join(demo.folder, "demo/python");
    const { admin_token: token } = demo.ready;
    const { status } = await demo.api("shutdown", {
      token,
      method: "POST",
      body: { servers: true, proxy: true },
    });
    assert.equal(status, 202);
    await until("a server did not end", () => demo.servers().length === 0);

    assert.ok(existsSync(python));
    keepDemoPython(python);
    assert.deepEqual(await demo.end(), []);
  });
});
