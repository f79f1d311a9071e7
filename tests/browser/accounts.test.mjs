// Local accounts in a real browser: somebody signs up, is approved, sets a second factor up, signs in
// with its codes and with recovery codes, changes the password, and loses everything.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe } from "node:test";

import { launch, look, openPage } from "./browser.mjs";
import { setUp, signOut } from "./hub.mjs";
import { configuration, freePort, Jansky } from "./jansky.mjs";
import { after, before, story } from "./story.mjs";
import { until } from "./waiting.mjs";

const ADMIN = { name: "grote", password: "a dish behind the house" };
const RIVER = { name: "river", password: "eleven names of stars" };
const NEW_PASSWORD = "twelve names of moons";

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** What an app shows that has this secret: RFC 6238. */
function codeOf(secret, seconds = Date.now() / 1000) {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((it) => letters.indexOf(it).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(seconds / 30)));
  const hash = createHmac("sha1", key).update(step).digest();
  const number = hash.readUInt32BE(hash.at(-1) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

describe("local accounts", () => {
  let hub;
  let admin;
  let river;
  let secret;
  let codes;

  const step = story(() => [admin, river].filter(Boolean));

  /** Types name and password and waits for what comes then. */
  async function typePassword(page, { name, password }) {
    await page.goto(`${hub.hub}login`);
    await page.getByLabel("User name").fill(name);
    await page.getByLabel("Password").fill(password);
    const answered = page.waitForResponse((answer) => answer.request().method() === "POST");
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await answered;
    await page.waitForLoadState();
  }

  const isHome = (page) => page.getByRole("heading", { name: "My server" }).waitFor();

  /** Signs in with password and recovery code. */
  async function recover(page, password, code) {
    await typePassword(page, { name: RIVER.name, password });
    await page.getByText("Use a recovery code").click();
    await page.getByLabel("Recovery code").fill(code);
    await page.getByRole("button", { name: "Sign in with a recovery code" }).click();
    await isHome(page);
  }

  before(async () => {
    const port = await freePort();
    hub = Jansky.serve("accounts", {
      config: (folder) =>
        configuration(folder, {
          port,
          python: "/usr",
          hub: { redirect_to_server: false },
          local: { sign_up: "approval", second_factor: "optional", attempts_per_minute: 100 },
        }),
    });
    await hub.start();
    admin = await openPage(browser);
    await setUp(admin, { ...ADMIN, url: await hub.setUpLink() });
  });

  after(() => hub?.end());

  step("somebody asks for an account and waits", async () => {
    river = await openPage(browser);
    await river.goto(hub.url);
    await look(river, "accounts-1-sign-in");
    await river.getByRole("link", { name: "Sign up" }).click();
    await look(river, "accounts-2-sign-up");
    await river.getByLabel("User name").fill("grote");
    await river.getByLabel("Password").fill(RIVER.password);
    await river.getByRole("button", { name: "Ask for an account" }).click();
    assert.match(await river.locator("#username-error").innerText(), /not free/);
    await look(river, "accounts-3-name-taken");

    await river.getByLabel("User name").fill(RIVER.name);
    await river.getByLabel("Password").fill(RIVER.password);
    await river.getByLabel("E-mail address").fill("river@example.org");
    await river.getByLabel("Who are you").fill("I work on the maser survey.");
    await river.getByRole("button", { name: "Ask for an account" }).click();
    await river.getByRole("heading", { name: "Your request is there" }).waitFor();
    await look(river, "accounts-4-asked");

    await typePassword(river, RIVER);
    await river.getByRole("heading", { name: "Your account waits for approval" }).waitFor();
    await look(river, "accounts-5-waits");
    assert.deepEqual(river.problems, []);
  });

  step("an administrator sees it in the head of the page and says yes", async () => {
    await admin.goto(`${hub.hub}home`);
    await look(admin, "accounts-6-home-of-administrator");
    await admin.getByRole("link", { name: "1 waiting for an account" }).click();
    await look(admin, "accounts-7-approvals");
    assert.match(await admin.locator("main").innerText(), /river@example\.org/);

    await admin.getByRole("button", { name: "Approve river" }).click();

    assert.match(await admin.getByRole("status").innerText(), /river has an account now/);
    assert.equal(await admin.locator(".count").count(), 0);
    assert.deepEqual(admin.problems, []);
  });

  step("the person signs in and sets a second factor up", async () => {
    await typePassword(river, RIVER);
    await isHome(river);
    await river.getByRole("link", { name: "Account" }).click();
    await look(river, "accounts-8-account");
    await river.getByRole("link", { name: "Set up a second factor" }).click();
    await look(river, "accounts-9-second-factor");
    await river.getByText("Type it instead").click();
    secret = (await river.locator("#secret").innerText()).replaceAll(" ", "");

    await river.getByLabel("Code that the app shows now").fill("000000");
    await river.getByLabel("Your password").fill(RIVER.password);
    await river.getByRole("button", { name: "Turn it on" }).click();
    assert.match(await river.locator("#otp-error").innerText(), /not the code/);
    await look(river, "accounts-10-wrong-code");
    await river.getByLabel("Code that the app shows now").fill(codeOf(secret));
    await river.getByLabel("Your password").fill(RIVER.password);
    await river.getByRole("button", { name: "Turn it on" }).click();

    await river.getByRole("heading", { name: "Your recovery codes" }).waitFor();
    await look(river, "accounts-11-recovery-codes");
    codes = (await river.locator("#codes").innerText()).split(/\s+/).filter(Boolean);
    assert.equal(new Set(codes).size, 10);
    await river.getByRole("link", { name: "I have kept them" }).click();
    assert.match(await river.locator("main").innerText(), /With a second factor/);
    await look(river, "accounts-12-account-with-second-factor");
  });

  step("signs in with a code, not with a wrong one, and reloads in between", async () => {
    await signOut(river, { hub: hub.hub });
    await typePassword(river, RIVER);
    await river.getByRole("heading", { name: "One more step" }).waitFor();
    await look(river, "accounts-13-second-step");
    assert.ok(
      await river
        .getByLabel("Code", { exact: true })
        .evaluate((it) => it === document.activeElement),
    );

    await river.getByLabel("Code", { exact: true }).fill("000000");
    await river.getByRole("button", { name: "Sign in", exact: true }).click();
    assert.match(await river.locator("#otp-error").innerText(), /The code is wrong/);
    await look(river, "accounts-14-second-step-wrong-code");
    await river.goto(`${hub.hub}home`);
    await river.getByRole("heading", { name: "Sign in" }).waitFor();
    await river.goto(`${hub.hub}login/second-step`);
    // That of the next half minute is good already, and the present one was taken at the set-up.
    await river.getByLabel("Code", { exact: true }).fill(codeOf(secret, Date.now() / 1000 + 30));
    await river.getByRole("button", { name: "Sign in", exact: true }).click();
    await isHome(river);
    assert.deepEqual(river.problems, []);
  });

  step("signs in with a recovery code, which works once", async () => {
    await signOut(river, { hub: hub.hub });
    await recover(river, RIVER.password, codes[0]);

    const other = await openPage(browser);
    await typePassword(other, RIVER);
    await other.getByText("Use a recovery code").click();
    await look(other, "accounts-15-second-step-recovery-code");
    await other.getByLabel("Recovery code").fill(codes[0]);
    await other.getByRole("button", { name: "Sign in with a recovery code" }).click();
    assert.match(await other.locator("#otp-error").innerText(), /none of the recovery codes/);
    await other.context().close();
    await river.goto(`${hub.hub}account/second-factor`);
    assert.match(await river.locator("main").innerText(), /9 are left/);
    await look(river, "accounts-16-second-factor-on");
  });

  step("does all of it without script, too", async () => {
    const page = await openPage(browser, { javaScriptEnabled: false });
    await recover(page, RIVER.password, codes[1]);
    await page.context().close();
  });

  step("changes the password, which signs the other browsers out", async () => {
    const other = await openPage(browser);
    await recover(other, RIVER.password, codes[2]);
    await river.goto(`${hub.hub}account`);
    await river.getByRole("link", { name: "Change the password" }).click();
    await look(river, "accounts-17-password");
    await river.getByLabel("Present password").fill("wrong");
    await river.getByLabel("New password").fill(NEW_PASSWORD);
    await river.getByRole("button", { name: "Change the password" }).click();
    assert.match(await river.locator("#current-error").innerText(), /not your password/);
    await look(river, "accounts-18-password-refused");

    await river.getByLabel("Present password").fill(RIVER.password);
    await river.getByLabel("New password").fill(NEW_PASSWORD);
    await river.getByRole("button", { name: "Change the password" }).click();

    assert.match(await river.getByRole("status").innerText(), /Your password is changed/);
    await look(river, "accounts-19-password-changed");
    await until("the other browser is still signed in", async () => {
      await other.goto(`${hub.hub}home`);
      return new URL(other.url()).pathname.endsWith("/login");
    });
    await typePassword(other, RIVER);
    assert.match(await other.getByRole("alert").innerText(), /password is wrong/);
    await recover(other, NEW_PASSWORD, codes[3]);
    await other.context().close();
    assert.deepEqual(river.problems, []);
  });

  step("is helped by an administrator after losing everything", async () => {
    await admin.goto(`${hub.hub}admin`);
    await look(admin, "accounts-20-administration");
    admin.on("dialog", (dialog) => dialog.accept());
    await admin.getByRole("button", { name: "Reset second factor river" }).click();
    await until("the button is still there", async () => {
      const button = admin.getByRole("button", { name: "Reset second factor river" });
      return (await button.count()) === 0;
    });
    await admin.getByRole("button", { name: "Make a password link river" }).click();
    const link = await admin.locator("#link").innerText();
    await look(admin, "accounts-21-password-link");

    const page = await openPage(browser);
    await page.goto(link);
    await look(page, "accounts-22-choose-a-password");
    await page.getByLabel("New password").fill("thirteen names of comets");
    await page.getByRole("button", { name: "Choose this password" }).click();
    await page.getByText("You have a new password").waitFor();
    await look(page, "accounts-23-chosen");
    const login = { name: RIVER.name, password: "thirteen names of comets" };
    await page.getByLabel("User name").fill(login.name);
    await page.getByLabel("Password").fill(login.password);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await isHome(page);
    await page.goto(`${hub.hub}account/audit`);
    const trail = await page.locator("main").innerText();
    for (const words of [
      /Second factor reset/,
      /Password chosen with a link/,
      /Account approved/,
    ]) {
      assert.match(trail, words);
    }
    await look(page, "accounts-24-audit");
    const again = await page.goto(link);
    assert.equal(again.status(), 404);
    assert.deepEqual([...page.problems, ...admin.problems], []);
    await page.context().close();
  });
});
