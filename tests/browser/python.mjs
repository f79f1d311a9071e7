// The Python environments of the servers, made once for a machine and kept below
// ${XDG_CACHE_HOME:-~/.cache}/jansky; what they are made of is in their names.

import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

import { Jansky } from "./jansky.mjs";

const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "jansky");
const ROOT = join(import.meta.dirname, "../..");
const RECIPE = join(ROOT, "crates/jansky/src/demo/python.rs");
const PACKAGE = join(ROOT, "python");

/** The series before the one that the demo brings, which is in use in many places. */
const OLDER = join(ROOT, "tests/requirements/older-lab.txt");

/** How long the Python package index may take. */
export const INSTALL_SECONDS = 600;

/** The demo's environment: as given in JANSKY_TEST_PYTHON, or kept, or made by a demo now. */
export async function demoPython() {
  if (process.env.JANSKY_TEST_PYTHON) {
    return process.env.JANSKY_TEST_PYTHON;
  }
  const kept = placeOf(recipe());
  if (!existsSync(kept)) {
    const demo = Jansky.demo("prepare-python", { port: 0 });
    await demo.start(INSTALL_SECONDS);
    await demo.kill();
    keepDemoPython(join(demo.folder, "demo/python"));
    await demo.end();
  }
  return kept;
}

/** Keeps the environment that a demo has made, or else deletes it. Nobody may use it any more. */
export function keepDemoPython(fresh) {
  keep(fresh, placeOf(recipe()));
  discard(fresh);
}

/** Deletes what has tens of thousands of files. They take up to a minute or more, for which nobody waits. */
export function discard(path) {
  if (existsSync(path)) {
    const rubbish = mkdtempSync(join(tmpdir(), "jansky-rubbish-"));
    renameSync(path, join(rubbish, "rubbish"));
    spawn("rm", ["-rf", rubbish], { detached: true, stdio: "ignore" }).unref();
  }
}

/** An environment with the older series of JupyterHub. */
export function olderPython() {
  const kept = placeOf(readFileSync(OLDER, "utf8"));
  if (!existsSync(kept)) {
    mkdirSync(CACHE, { recursive: true });
    const work = mkdtempSync(join(CACHE, "python."));
    const options = { stdio: ["ignore", "ignore", "inherit"], timeout: INSTALL_SECONDS * 1000 };
    execFileSync("python3", ["-m", "venv", work], options);
    const install = ["-m", "pip", "install", "-q", "-r", OLDER];
    execFileSync(join(work, "bin/python"), install, options);
    keep(work, kept);
    rmSync(work, { recursive: true, force: true });
  }
  return kept;
}

// How the demo makes its environment, and our own package in it.
function recipe() {
  const files = readdirSync(PACKAGE, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/__pycache__|node_modules|tests/.test(entry.parentPath))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return [RECIPE, ...files].map((path) => readFileSync(path, "utf8")).join("\n");
}

function placeOf(recipe) {
  const python = execFileSync("python3", ["-VV"], { encoding: "utf8" });
  const digest = createHash("sha256").update(`${python}\n${recipe}`).digest("hex");
  return join(CACHE, `python-${digest.slice(0, 16)}`);
}

// The last step is a rename, so that what has the name is whole; whoever comes second leaves it.
function keep(fresh, place) {
  if (existsSync(place)) {
    return;
  }
  mkdirSync(CACHE, { recursive: true });
  const work = mkdtempSync(join(CACHE, "python."));
  const copy = join(work, "environment");
  const from = realpathSync(fresh);
  try {
    renameSync(from, copy);
  } catch (error) {
    if (error.code !== "EXDEV") {
      throw error;
    }
    execFileSync("cp", ["-a", from, copy]);
  }
  // The programs begin with the path of their interpreter.
  for (const name of readdirSync(join(copy, "bin"))) {
    const path = join(copy, "bin", name);
    const text = readFileSync(path, "latin1");
    if (text.startsWith("#!") && text.includes(from)) {
      writeFileSync(path, text.replaceAll(from, place), "latin1");
    }
  }
  try {
    renameSync(copy, place);
  } catch (error) {
    if (!existsSync(place)) {
      throw error;
    }
  }
  rmSync(work, { recursive: true, force: true });
}
