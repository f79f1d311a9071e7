// What a page of one person's server can do in the browser of another person who opens it, with that
// person signed in as an administrator: on the hub's origin, and on one of its own. Mallory's server is
// what its owner wants it to be; the others are the unmodified program.

import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";

import { closePage, launch, openPage } from "./browser.mjs";
import { askHub, makeToken, setUp, signIn, startServer, xsrfOf } from "./hub.mjs";
import { configuration, freePort, Jansky } from "./jansky.mjs";
import * as lab from "./lab.mjs";
import { demoPython, INSTALL_SECONDS } from "./python.mjs";
import { after, before, story } from "./story.mjs";
import { until } from "./waiting.mjs";

const ADMIN = { name: "grote", password: "a dish behind the house" };

/** A server that answers everybody, with whatever acts on an origin. */
const HOSTILE = String.raw`
import os, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

service = urllib.parse.urlparse(os.environ["JUPYTERHUB_SERVICE_URL"])
prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"]
WORKER = b"""self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  if (event.request.url.includes("/hub/")) event.respondWith(new Response("taken"));
});"""
HEADERS = [
    ("Service-Worker-Allowed", "/"),
    ("Clear-Site-Data", '"cookies", "storage"'),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Strict-Transport-Security", "max-age=60; includeSubDomains"),
    ("Set-Cookie", "jupyterhub-hub-login=planted; Path=/hub/"),
    ("Set-Cookie", "_xsrf=planted; Path=/hub/"),
    ("Set-Cookie", "everywhere=planted; Path=/"),
    ("Set-Cookie", "site=planted; Path=/; Domain=" + os.environ.get("DOMAIN", "localhost")),
]

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        is_script = "Service-Worker" in self.headers or self.path.endswith(".js")
        body = WORKER if is_script else b"<!doctype html><title>Look at my galaxy</title>"
        if self.path == prefix + "end":
            os._exit(0)
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if is_script else "text/html")
        self.send_header("Content-Length", str(len(body)))
        if self.path.startswith(prefix + "headers"):
            for name, value in HEADERS:
                self.send_header(name, value)
        elif is_script:
            self.send_header("Service-Worker-Allowed", "/")
        elif self.path.startswith(prefix + "opener"):
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

ThreadingHTTPServer((service.hostname, service.port), Handler).serve_forever()
`;

for (const isApart of [false, true]) {
  describe(isApart ? "a neighbour on an origin of its own" : "a neighbour on one origin", () => {
    let browser;
    let hub;
    let page;
    let evil;
    let api;
    let token;
    let own;
    let base;

    const step = story(() => [page, evil].filter(Boolean));

    before(
      async () => {
        const python = await demoPython();
        const port = await freePort();
        const host = isApart ? `hub.localhost:${port}` : `127.0.0.1:${port}`;
        hub = Jansky.serve(isApart ? "neighbours-apart" : "neighbours", {
          config: (folder) => {
            const hostile = join(folder, "hostile.py");
            writeFileSync(hostile, HOSTILE);
            const program = join(folder, "server");
            const lines = [
              "#!/bin/sh",
              `if [ "$JUPYTERHUB_USER" = mallory ]; then exec '${python}/bin/python' '${hostile}'; fi`,
              `exec '${python}/bin/jupyterhub-singleuser' "$@"`,
            ];
            writeFileSync(program, `${lines.join("\n")}\n`);
            chmodSync(program, 0o755);
            return configuration(folder, {
              port,
              python,
              hub: {
                redirect_to_server: false,
                ...(isApart && { subdomain_host: `http://${host}` }),
              },
              spawner: {
                command: [program],
                default_url: "/lab",
                environment: { DOMAIN: host.split(":")[0] },
              },
            });
          },
        });
        await hub.start();
        api = `http://127.0.0.1:${port}/hub/api/`;
        base = `http://${host}/`;
        assert.equal(hub.url, base);
        const at = (user) => (isApart ? `http://${user}.${host}/` : base);
        own = `${at("grote")}user/grote/`;
        browser = await launch();
        page = await openPage(browser);
        await setUp(page, { ...ADMIN, url: await hub.setUpLink() });
        token = await makeToken(page, { hub: hub.hub, note: "for the tests" });
        await ask("users/mallory", { method: "POST", status: 201 });
        await ask("users/mallory/server", { method: "POST", status: [201, 202] });
        await until("mallory's server does not run", async () => {
          const { body } = await ask("users/mallory");
          return body.servers[""]?.ready;
        });
        evil = await page.context().newPage();
        evil.prefix = `${at("mallory")}user/mallory/`;
        await evil.goto(`${evil.prefix}page`);
        assert.equal(await evil.title(), "Look at my galaxy");
      },
      { seconds: INSTALL_SECONDS },
    );

    after(async () => {
      await browser?.close();
      hub.hub = api.replace(/api\/$/, "");
      await hub?.end({ token });
    });

    // Names below `.localhost` are for browsers; not every resolver knows them.
    async function ask(path, { method = "GET", status } = {}) {
      const answer = await fetch(`${api}${path}`, {
        method,
        headers: { Authorization: `token ${token}` },
        signal: AbortSignal.timeout(30_000),
      });
      if (status) {
        assert.ok([status].flat().includes(answer.status), `${path}: ${answer.status}`);
      }
      const text = await answer.text();
      return { status: answer.status, body: text && JSON.parse(text) };
    }
    const tokens = async () => (await ask("users/grote/tokens")).body.api_tokens.length;
    const isSignedIn = async () => {
      await page.goto(`${base}hub/home`);
      return page.getByRole("heading", { name: "My server" }).isVisible();
    };

    step("finds no page of the hub in what the browser keeps", async () => {
      // Such a read makes no request, so nothing but the hub's own answers can prevent it.
      const paths = ["hub/token", "hub/account", "hub/admin", "hub/home"];
      for (const path of paths) {
        await page.goto(base + path);
      }
      const xsrf = await xsrfOf(page);
      assert.ok(xsrf);
      const seen = await evil.evaluate(
        async ([base, paths]) => {
          const seen = [];
          for (const path of paths) {
            for (const cache of ["only-if-cached", "force-cache"]) {
              try {
                const answer = await fetch(base + path, { mode: "same-origin", cache });
                seen.push(await answer.text());
              } catch (error) {
                seen.push(String(error));
              }
            }
          }
          return seen;
        },
        [base, paths],
      );

      assert.equal(seen.length, 8);
      for (const text of seen) {
        assert.ok(!text.includes(xsrf), text);
        assert.ok(!/name="_xsrf" value="\S/.test(text), text);
        assert.ok(!text.includes("grote"), text);
      }
    });

    step("reads no page of the hub by any request that a script can make", async () => {
      const xsrf = await xsrfOf(page);
      assert.ok(xsrf);
      const seen = await evil.evaluate(async (base) => {
        const seen = [];
        const paths = ["hub/token", "hub/home", "hub/account", "hub/admin", "hub/api/user"];
        for (const path of [...paths, "hub/api/users", "hub/api/users/grote/tokens"]) {
          for (const mode of ["no-cors", "cors", "same-origin"]) {
            for (const referrer of ["", `${location.origin}/hub/home`]) {
              try {
                const answer = await fetch(base + path, { mode, credentials: "include", referrer });
                seen.push(await answer.text());
              } catch (error) {
                seen.push(String(error));
              }
            }
          }
        }
        return seen;
      }, base);

      assert.equal(seen.length, 42);
      for (const text of seen) {
        assert.ok(!text.includes(xsrf), text);
        assert.ok(!/name="_xsrf" value="\S/.test(text), text);
        assert.ok(!text.includes("grote"), text);
      }
    });

    step("shows no page of the hub in a frame or an object of its own", async () => {
      const xsrf = await xsrfOf(page);
      const seen = await evil.evaluate(async (base) => {
        const seen = [];
        for (const path of ["hub/token", "hub/api/users", "hub/logo", "hub/static/style.css"]) {
          for (const kind of ["iframe", "embed", "object"]) {
            const element = document.createElement(kind);
            element[kind === "object" ? "data" : "src"] = base + path;
            const done = new Promise((resolve) => {
              element.addEventListener("load", resolve);
              element.addEventListener("error", resolve);
              setTimeout(resolve, 3000);
            });
            document.documentElement.append(element);
            await done;
            let inside;
            try {
              const inner = element.contentDocument;
              inside = inner ? inner.documentElement.outerHTML + inner.cookie : "closed";
            } catch (error) {
              inside = String(error);
            }
            seen.push(inside);
            element.remove();
          }
        }
        return seen;
      }, base);

      for (const text of seen) {
        assert.ok(!text.includes(xsrf) && !text.includes("grote"), text);
      }
    });

    step("cannot reach into a page of the hub that it opens in a window", async () => {
      const xsrf = await xsrfOf(page);
      for (const from of ["page", "opener"]) {
        await evil.goto(`${evil.prefix}${from}`);
        for (const path of ["hub/token", "hub/api/users", "hub/logo"]) {
          const opening = evil.context().waitForEvent("page");
          await evil.evaluate((url) => {
            window.opened = window.open(url, "_blank");
          }, base + path);
          const opened = await opening;
          await opened.waitForLoadState();
          const inside = await evil.evaluate(() => {
            try {
              const inner = window.opened.document;
              return inner.documentElement.outerHTML + inner.cookie;
            } catch (error) {
              return String(error);
            }
          });
          assert.ok(!inside.includes(xsrf) && !inside.includes("grote"), `${path}: ${inside}`);
          const isTied = await opened.evaluate(() => window.opener !== null);
          assert.equal(isTied, false, `${path} opened from ${from}`);
          await closePage(opened);
        }
      }
      await evil.goto(`${evil.prefix}page`);
    });

    step("is answered nothing by the API when it leads the browser there", async () => {
      const other = await page.context().newPage();
      const answer = await other.goto(`${base}hub/api/users/grote`);

      assert.equal(answer.status(), 403);
      assert.ok(!(await answer.text()).includes("grote"));
      await closePage(other);
      // A script of the hub, which has the token, is.
      await page.goto(`${base}hub/home`);
      assert.equal((await askHub(page, "users/grote")).body.name, "grote");
    });

    step("changes nothing with a form or a request, even with a token that was found", async () => {
      const xsrf = await xsrfOf(page);
      const before = await tokens();
      const stolen = isApart ? xsrf : "guess";
      await evil.evaluate(
        async ([base, stolen]) => {
          const body = new URLSearchParams({ _xsrf: stolen, note: "mine", expires_in: "" });
          for (const mode of ["no-cors", "cors", "same-origin"]) {
            await fetch(`${base}hub/token`, {
              method: "POST",
              mode,
              credentials: "include",
              body,
            }).catch(() => {});
          }
          const frame = document.createElement("iframe");
          frame.name = "sink";
          document.documentElement.append(frame);
          const form = document.createElement("form");
          Object.assign(form, { method: "POST", action: `${base}hub/token`, target: "sink" });
          for (const [name, value] of body) {
            form.append(Object.assign(document.createElement("input"), { name, value }));
          }
          document.documentElement.append(form);
          const sent = new Promise((resolve) => {
            frame.addEventListener("load", resolve);
            setTimeout(resolve, 3000);
          });
          form.submit();
          await sent;
          frame.remove();
        },
        [base, stolen],
      );

      assert.equal(await tokens(), before);
      assert.ok(await isSignedIn());
    });

    step("finds no token in the cookies, under whatever address it shows", async () => {
      const xsrf = await xsrfOf(page);
      const seen = await evil.evaluate(async () => {
        history.pushState(null, "", "/hub/token");
        const seen = [document.cookie];
        seen.push(JSON.stringify((await window.cookieStore?.getAll()) ?? []));
        return seen.join();
      });

      assert.ok(!seen.includes(xsrf), seen);
      await evil.goto(`${evil.prefix}page`);
    });

    step("puts no worker between browsers and the hub", async () => {
      const outcomes = await evil.evaluate(async (prefix) => {
        const outcomes = {};
        const path = new URL(prefix).pathname;
        for (const [script, scope] of [
          [`${path}sw.js`, "/"],
          [`${path}sw.js`, "/hub/"],
          [path.slice(0, -1), "/user/"],
          [path.slice(0, -1), undefined],
          [`${path.slice(0, -1).replaceAll("/", "%2F")}%2Fsw.js`, "/"],
          [`${path}sw.js`, path],
        ]) {
          try {
            const made = await navigator.serviceWorker.register(script, scope && { scope });
            outcomes[`${script} ${scope}`] = made.scope;
          } catch (error) {
            outcomes[`${script} ${scope}`] = error.name;
          }
        }
        return outcomes;
      }, evil.prefix);

      const scopes = Object.values(outcomes).filter((scope) => scope.startsWith("http"));
      assert.ok(scopes.includes(evil.prefix), JSON.stringify(outcomes));
      if (isApart) {
        assert.ok(scopes.every((scope) => scope.startsWith(new URL(evil.prefix).origin)));
      } else {
        assert.deepEqual(scopes, [evil.prefix], JSON.stringify(outcomes));
      }
      assert.ok(await isSignedIn());
      await evil.evaluate(async () => {
        for (const made of await navigator.serviceWorker.getRegistrations()) {
          await made.unregister();
        }
      });
    });

    step("sets no cookie for others, deletes none, and signs nobody out", async () => {
      const before = await page.context().cookies(`${base}hub/`);
      await evil.goto(`${evil.prefix}headers`);
      await evil.evaluate(() => fetch("headers/again").then((answer) => answer.text()));

      assert.deepEqual(await page.context().cookies(`${base}hub/`), before);
      const planted = (await page.context().cookies()).filter(({ value }) => value === "planted");
      assert.ok(planted.length > 0, "its own cookies are left");
      const host = new URL(evil.prefix).hostname;
      for (const cookie of planted) {
        assert.equal(cookie.domain, host, JSON.stringify(cookie));
        if (!isApart) {
          assert.equal(cookie.path, "/user/mallory/", JSON.stringify(cookie));
        }
      }
      assert.ok(await isSignedIn());
    });

    step("does not disturb the server of its visitor, which works as ever", async () => {
      // Lab waits with its connections while nobody looks at it.
      await page.bringToFront();
      await startServer(page, { hub: `${base}hub/` });
      assert.ok(page.url().startsWith(own), page.url());
      await lab.openLab(page, own);
      await lab.createNotebook(page);
      const { text } = await lab.run(page, "print(6 * 7)");

      assert.equal(text.trim(), "42");
      const { body } = await ask("users/grote");
      assert.equal(body.servers[""].url, isApart ? own : "/user/grote/");
      if (isApart) {
        assert.equal(body.servers[""].full_url, own);
      }
    });

    if (isApart) {
      step(
        "has a host that shows nothing of the hub, and the hub's shows nothing of it",
        async () => {
          const other = await openPage(browser);
          const led = await other.goto(`${base}user/grote/lab`);
          assert.equal(new URL(led.url()).host, new URL(base).host);
          await signIn(other, { ...ADMIN, url: `${base}user/grote/lab` });
          await until("it does not lead to the host of the server", () =>
            other.url().startsWith(`${own}lab`),
          );
          await other.locator("#jupyter-config-data").waitFor({ state: "attached" });
          const paths = ["hub/login", "hub/home", "hub/api", "hub/static/style.css"];
          for (const path of paths) {
            const status = await other.evaluate(
              (url) => fetch(url).then((answer) => answer.status),
              new URL(`/${path}`, own).href,
            );
            assert.equal(status, 404, path);
          }
          for (const path of paths) {
            await other.goto(new URL(`/${path}`, own).href);
            assert.equal(new URL(other.url()).host, new URL(base).host, path);
          }
          await other.context().close();
        },
      );
    }

    step("stops nobody from working by a cookie that it plants with a script", async () => {
      await evil.evaluate(() => {
        const parent = location.hostname.split(".").slice(1).join(".");
        for (const name of ["_xsrf", "jupyterhub-hub-login", "jupyterhub-session-id"]) {
          for (const path of ["/hub/", "/hub/token", "/"]) {
            document.cookie = `${name}=planted; path=${path}`;
            if (parent.includes("localhost")) {
              document.cookie = `${name}=planted; path=${path}; domain=${parent}`;
            }
          }
        }
      });
      const before = await tokens();

      await makeToken(page, { hub: `${base}hub/`, note: "in spite of it" });

      assert.equal(await tokens(), before + 1);
      assert.equal((await askHub(page, "user")).body.name, "grote");
      await page.context().clearCookies({ name: /./, domain: /mallory/ });
    });

    step("leaves its visitor's token alone when it ends", async () => {
      const xsrf = await xsrfOf(page);
      await evil.goto(`${evil.prefix}end`).catch(() => {});
      await until("the proxy shows no page of its own", async () => {
        const answer = await evil.goto(`${evil.prefix}page`);
        return answer.status() !== 200;
      });

      assert.equal(await xsrfOf(page), xsrf);
      await page.goto(`${base}hub/home`);
      assert.equal((await askHub(page, "user")).body.name, "grote");
    });

    if (isApart) {
      step("is signed out of by the hub at once", async () => {
        await page.goto(`${base}hub/home`);
        await page.getByRole("link", { name: "Sign out" }).click();
        await page.getByRole("button", { name: "Sign out" }).click();
        await page.getByRole("link", { name: "Sign in again" }).waitFor();
        await page.goto(`${own}lab`);
        assert.equal(new URL(page.url()).pathname, "/hub/login");
      });
    }

    step("ends with its hub", async () => {
      await browser.close();
    });
  });
}
