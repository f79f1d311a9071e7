// What a person does with the pages of the hub, by the words on them.

import assert from "node:assert/strict";

import { until } from "./waiting.mjs";

/** Signs in with a local account; `url` is any page of the hub or a path that leads to sign-in. */
export async function signIn(page, { url, name, password }) {
  await page.goto(url);
  await page.getByLabel("User name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL((now) => !now.pathname.endsWith("/login"));
}

/** Follows the button of an identity provider; what comes then is the provider's own page. */
export async function chooseProvider(page, { url, title }) {
  await page.goto(url);
  await page.getByRole("link", { name: `Sign in with ${title}`, exact: true }).click();
}

/** Signs in on the login page of a Keycloak realm, which the browser shows already. */
export async function signInAtKeycloak(page, { name, password }) {
  await page.locator("#username").fill(name);
  await page.locator("#password").fill(password);
  await page.locator("#kc-login").click();
}

/** Signs in on the pages of the npm package `oidc-provider`, which the browser shows already. */
export async function signInAtOidcProvider(page, { name }) {
  await page.locator('input[name="login"]').fill(name);
  await page.locator('input[name="password"]').fill("any");
  await page.getByRole("button", { name: "Sign-in" }).click();
  await page.getByRole("button", { name: "Continue" }).click();
}

/** Makes the first admin with the one-time link. */
export async function setUp(page, { url, name, password }) {
  await page.goto(url);
  await page.getByLabel("User name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Create the administrator" }).click();
  await page.waitForURL((now) => !now.pathname.endsWith("/setup"));
}

/** Makes a token on its page and returns it. */
export async function makeToken(page, { hub, note }) {
  await page.goto(`${hub}token`);
  await page.getByLabel("What is it for?").fill(note);
  await page.getByRole("button", { name: "Make a token" }).click();
  return page.locator("#new-token").innerText();
}

/** The token against forgery of the person in the page. No script of a page can read its cookie. */
export async function xsrfOf(page) {
  const cookies = await page.context().cookies();
  return cookies.find(({ name, path }) => name === "_xsrf" && path === "/hub/")?.value;
}

/** Asks the hub's API as a script of the hub would, in the page. */
export async function askHub(page, path) {
  const xsrf = await xsrfOf(page);
  return page.evaluate(
    async ([path, xsrf]) => {
      const answer = await fetch(`/hub/api/${path}`, { headers: { "X-XSRFToken": xsrf } });
      return { status: answer.status, body: await answer.json() };
    },
    [path, xsrf],
  );
}

/**
 * Starts the default server from the home page and waits until the browser is in it.
 *
 * `onChoice` is for hubs that ask what to start with: it chooses on the page that does. Returns what the
 * page showed on the way: messages in their order and every percentage.
 */
export async function startServer(page, { hub, seconds = 110, onChoice, onPending }) {
  await page.goto(`${hub}home`);
  const mine = page.locator("section", { has: page.locator("h1") });
  await mine.getByRole("button", { name: /^Start( again)?$/ }).click();
  if (onChoice) {
    await page.getByRole("group", { name: "Image" }).waitFor();
    await onChoice();
    await page.getByRole("button", { name: "Start", exact: true }).click();
  }
  if (onPending) {
    await page.locator("#pending").waitFor();
    await onPending();
  }

  const seen = { messages: [], percents: [] };
  await until(
    "the server did not become ready",
    async () => {
      const path = new URL(page.url()).pathname;
      if (path.includes("/user/") && !path.includes("/hub/")) {
        return true;
      }
      const now = await page.evaluate(() => ({
        heading: document.querySelector("h1")?.textContent,
        messages: Array.from(document.querySelectorAll("#events li"), (item) => item.textContent),
        percent: document.getElementById("progress")?.value,
      }));
      if (now.heading?.endsWith("did not start")) {
        assert.fail(await page.locator("main").innerText());
      }
      for (const message of now.messages) {
        if (!seen.messages.includes(message)) {
          seen.messages.push(message);
        }
      }
      if (now.percent !== undefined && now.percent !== seen.percents.at(-1)) {
        seen.percents.push(now.percent);
      }
      return false;
    },
    seconds,
  );
  return seen;
}

/** Stops the default server from the home page, says yes when asked, and waits until it is gone. */
export async function stopServer(page, { hub, seconds = 60 }) {
  await page.goto(`${hub}home`);
  page.once("dialog", (dialog) => dialog.accept());
  const mine = page.locator("section", { has: page.locator("h1") });
  await mine.getByRole("button", { name: "Stop", exact: true }).click();
  await until(
    "the server did not stop",
    async () => {
      await page.goto(`${hub}home`);
      return (await mine.locator(".state").innerText()) === "Stopped";
    },
    seconds,
  );
}

/** Signs out through the link in the head of the page. */
export async function signOut(page, { hub }) {
  await page.goto(`${hub}home`);
  await page.getByRole("link", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("link", { name: "Sign in again" }).waitFor();
}

/**
 * Signs out in a page beside this one, which is left as it is, and returns that page as soon as the hub
 * has answered.
 */
export async function signOutBeside(page, { hub }) {
  const other = await page.context().newPage();
  await other.goto(`${hub}home`);
  await other.getByRole("link", { name: "Sign out" }).click();
  const answered = other.waitForResponse(
    (response) => response.request().method() === "POST" && response.url().includes("logout"),
  );
  await other.getByRole("button", { name: "Sign out" }).click({ noWaitAfter: true });
  await answered;
  return other;
}
