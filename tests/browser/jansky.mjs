// The real program, started in a directory of its own, killed, started again and cleaned up after.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { OUTPUT } from "./browser.mjs";
import { until } from "./waiting.mjs";

const ROOT = join(import.meta.dirname, "../..");
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");

/** The program under test; somebody has built it. */
export const BINARY = process.env.JANSKY_TEST_BINARY ?? join(TARGET, "debug/jansky");

/** A port of this machine on which nobody listens. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** The hubs that have not been ended. */
const living = new Set();

// Whoever ends the tests before they have cleaned up ends what they have started, too.
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => process.exit(1));
}
process.on("exit", () => {
  for (const hub of living) {
    hub.abandon();
  }
});

/** A hub. All that it and its servers write is below `folder`, which `end` deletes. */
export class Jansky {
  #arguments;
  #environment;
  #isReady;
  #beforeStart;
  #process;

  constructor(name, { prepare, isReady, beforeStart = () => {}, environment = {} }) {
    this.folder = mkdtempSync(join(tmpdir(), "jansky-test-"));
    living.add(this);
    mkdirSync(OUTPUT, { recursive: true });
    this.logFile = join(OUTPUT, `${name}.log`);
    writeFileSync(this.logFile, "");
    this.#arguments = prepare(this.folder);
    this.#isReady = isReady;
    this.#beforeStart = beforeStart;
    this.#environment = { ...process.env, ...environment };
  }

  /** `jansky demo`; without `python` it prepares its own. */
  static demo(name, { port, python, environment }) {
    let readyFile;
    return new Jansky(name, {
      environment,
      prepare: (folder) => {
        readyFile = join(folder, "ready.json");
        const choice = python ? ["--python", python] : [];
        return [
          ...["demo", "--no-input", "--port", `${port}`, "--home", join(folder, "demo")],
          ...["--ready-file", readyFile, ...choice],
        ];
      },
      // What an earlier start wrote would be taken for news.
      beforeStart: () => rmSync(readyFile, { force: true }),
      isReady: () => JSON.parse(readFileSync(readyFile, "utf8")),
    });
  }

  /** `jansky serve` with what `config` returns for the folder. */
  static serve(name, { config, environment }) {
    return new Jansky(name, {
      environment,
      prepare: (folder) => {
        const path = join(folder, "jansky.toml");
        writeFileSync(path, config(folder));
        return ["serve", "--config", path];
      },
      isReady: (said) => {
        const url = /^Jansky is running at (\S+)$/m.exec(said)?.[1];
        return url && { url };
      },
    });
  }

  /** The one-time link for the first admin, which a hub prints that has none. */
  setUpLink() {
    const link = /^\s+(\S+\/hub\/setup\?\S+)\n/m;
    return until("no link was printed", () => link.exec(this.said())?.[1], 10);
  }

  /** What the program has said since it was started last. */
  said() {
    return readFileSync(this.logFile, "utf8").slice(this.from);
  }

  /** Starts the program and waits until it is ready; `ready` is what it said about that. */
  async start(seconds = 30) {
    this.#beforeStart();
    this.from = readFileSync(this.logFile, "utf8").length;
    const log = openSync(this.logFile, "a");
    const child = spawn(BINARY, this.#arguments, {
      cwd: this.folder,
      env: this.#environment,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#process = child;
    await once(child, "spawn");
    return this.#becomesReady(seconds);
  }

  /** Lets the program begin again in its own place, and waits until it is ready. */
  restart(seconds = 30) {
    this.from = readFileSync(this.logFile, "utf8").length;
    this.#process.kill("SIGUSR2");
    return this.#becomesReady(seconds);
  }

  async #becomesReady(seconds) {
    this.ready = await until(
      "the hub did not become ready",
      () => {
        assert.ok(this.#isRunning(), `the hub ended:\n${this.said()}`);
        return this.#isReady(this.said());
      },
      seconds,
    );
    this.url = this.ready.url;
    this.hub = `${this.url}hub/`;
    return this.ready;
  }

  /** Takes the program away without a warning, as a crash of the machine's memory would. */
  async kill() {
    await this.#signal("SIGKILL");
  }

  /** Asks the API, as the caller with this token. */
  async api(path, { token, method = "GET", body } = {}) {
    const answer = await fetch(`${this.hub}api/${path}`, {
      method,
      headers: { Authorization: `token ${token}` },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await answer.text();
    return { status: answer.status, body: text && JSON.parse(text) };
  }

  /** The processes of this hub's servers, kernels among them. */
  servers() {
    const home = `=${this.folder}/`;
    return readdirSync("/proc").filter((pid) => {
      if (!/^\d+$/.test(pid) || Number(pid) === this.#process?.pid) {
        return false;
      }
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").includes(home);
      } catch {
        return false; // It has ended, or it is somebody else's.
      }
    });
  }

  /**
   * Ends the program and its servers; the answer is what it did not end by itself, which is killed.
   * With a `token` the hub is asked to stop its servers first.
   */
  async end({ token } = {}) {
    if (this.#process && this.#isRunning()) {
      if (token) {
        const body = { servers: true, proxy: true };
        await this.api("shutdown", { token, method: "POST", body });
        await this.#gone(60);
      }
      await this.#signal("SIGTERM");
    }
    const left = this.#killServers();
    await until("a server did not end", () => this.servers().length === 0, 10);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    living.delete(this);
    return left;
  }

  /** The same at once and without waiting for anything. */
  abandon() {
    this.#process?.kill("SIGKILL");
    this.#killServers();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #killServers() {
    const servers = this.servers();
    for (const pid of servers) {
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // It has ended in between.
      }
    }
    return servers;
  }

  #isRunning() {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  #gone(seconds) {
    return until("the hub did not end", () => !this.#isRunning(), seconds);
  }

  async #signal(signal) {
    if (this.#isRunning()) {
      this.#process.kill(signal);
      await this.#gone(30);
    }
  }
}

/**
 * A configuration for `jansky serve` with servers from a Python environment; `hub`, `spawner` and
 * `database` are further keys, `local` those of local accounts, `providers` further ways to sign in
 * beside them, `audiences` what servers get tokens for.
 */
export function configuration(folder, { port, python, providers = {}, ...sections }) {
  const isProcess = (sections.spawner?.kind ?? "process") === "process";
  const tables = {
    hub: { bind: `127.0.0.1:${port}`, data_dir: join(folder, "data"), ...sections.hub },
    ...(sections.database && { database: sections.database }),
    "provider.local": { kind: "local", ...sections.local },
    spawner: {
      kind: "process",
      command: [join(python, "bin/jupyterhub-singleuser")],
      // Jupyter refuses to run as root unless it is told that this is meant.
      arguments: process.getuid() === 0 ? ["--allow-root"] : [],
      // On a machine that is busy otherwise.
      http_timeout: "2m",
      ...(isProcess && {
        run_as: "hub",
        users_are_trusted_with_everything: true,
        servers_may_run_as_root: true,
      }),
      // What a killed hub leaves goes with the rest.
      ...(isProcess && { runtime_dir: join(folder, "run") }),
      ...sections.spawner,
    },
  };
  for (const [id, audience] of Object.entries(sections.audiences ?? {})) {
    tables[`audience.${id}`] = audience;
  }
  for (const [id, provider] of Object.entries(providers)) {
    tables[`provider.${id}`] = { kind: "oidc", ...provider };
  }
  // What JSON says of texts, numbers, switches and lists is TOML as well.
  const value = (it) => {
    if (Object.getPrototypeOf(it) !== Object.prototype) {
      return JSON.stringify(it);
    }
    const pairs = Object.entries(it).map(([key, it]) => `${key} = ${value(it)}`);
    return `{ ${pairs.join(", ")} }`;
  };
  return Object.entries(tables)
    .map(([name, keys]) => {
      const lines = Object.entries(keys).map(([key, it]) => `${key} = ${value(it)}`);
      return [`[${name}]`, ...lines, ""].join("\n");
    })
    .join("\n");
}
