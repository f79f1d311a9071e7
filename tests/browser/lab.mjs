// What a person does in JupyterLab 4, through its own menus and editors.

import { until } from "./waiting.mjs";

/** Opens JupyterLab; `server` is the URL of the single-user server with its slash. */
export async function openLab(page, server) {
  await page.goto(new URL("lab?reset", server).href);
  await ready(page);
}

/** Makes a new Python notebook from the launcher and waits until its kernel listens. */
export async function createNotebook(page) {
  await page.locator('.jp-LauncherCard[data-category="Notebook"]').first().click();
  await notebookReady(page);
}

/** Opens a console beside what is open and waits until its kernel listens. */
export async function openConsole(page) {
  await fromLauncher(page, "Console", "Python 3 (ipykernel)");
  await turnToConsole(page);
  await connected(page);
}

/** Runs code in the console, which shows nothing of it. */
export async function runInConsole(page, code) {
  await turnToConsole(page);
  await connected(page);
  const content = page.locator(CONSOLE_PROMPT);
  await until("the console does not take the code", async () => {
    await turnToConsole(page);
    await content.click({ timeout: 2000 });
    await page.keyboard.press("Control+a");
    await page.keyboard.insertText(code);
    return (await content.innerText({ timeout: 2000 })).trim() === code;
  });
  await content.press("Shift+Enter");
}

/** Opens a terminal beside what is open. */
export async function openTerminal(page) {
  await fromLauncher(page, "Other", "Terminal");
  await page.locator(`${TERMINAL} .xterm-screen`).waitFor({ timeout: 60_000 });
}

/** Runs a command in the terminal, once more as long as `hasRun` is not true: it may be typed elsewhere. */
export async function runInTerminal(page, command, hasRun) {
  const input = page.locator(`${TERMINAL} .xterm-helper-textarea`);
  await until(`the terminal did not run ${command}`, async () => {
    await turnTo(page, "Terminal");
    await input.focus({ timeout: 2000 });
    await page.keyboard.insertText(command);
    await input.press("Enter", { timeout: 2000 });
    return until("it does not yet", hasRun, 5);
  });
}

/** Turns to what has this name on its tab. */
export function turnTo(page, name) {
  const tab = page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", { hasText: name });
  return tab.click({ timeout: 10_000 });
}

/**
 * Takes down the text of each dialog from now on until the page is loaded again, also of one that is closed
 * in passing.
 */
export function recordDialogs(page) {
  return page.evaluate(() => {
    globalThis.dialogs = new Map();
    new MutationObserver(() => {
      for (const dialog of document.querySelectorAll(".jp-Dialog-content")) {
        const before = globalThis.dialogs.get(dialog) ?? "";
        // It comes and goes in pieces.
        if (dialog.innerText.length >= before.length) {
          globalThis.dialogs.set(dialog, dialog.innerText);
        }
      }
    }).observe(document.body, { childList: true, subtree: true });
  });
}

/** The dialogs of which `recordDialogs` knows. */
export function dialogs(page) {
  return page.evaluate(() => [...globalThis.dialogs.values()]);
}

/** Opens a notebook that exists and waits until its kernel listens. */
export async function openNotebook(page, server, path) {
  await page.goto(new URL(`lab/tree/${path}?reset`, server).href);
  await labReady(page);
}

/** Runs all cells from the menu and returns the outputs of the cells, see `outputs`. */
export async function runAll(page, seconds = 120) {
  // Numbers from an earlier run would look like the end of this one.
  await menu(page, "Edit", "editmenu:clear-all");
  await until("an earlier run is still shown", async () =>
    (await outputs(page)).every(({ prompt }) => !HAS_RUN.test(prompt.trim())),
  );
  await menu(page, "Run", "runmenu:run-all");
  await until("a cell did not finish", () => allHaveRun(page), seconds);
  return outputs(page);
}

/** Runs code in an empty cell at the end of the open notebook and returns what that cell shows. */
export async function run(page, code, seconds = 60) {
  const cell = await emptyCell(page);
  await write(page, cell, code);
  await page.keyboard.press("Control+Enter");
  await until("the cell did not finish", async () => HAS_RUN.test(await prompt(cell)), seconds);
  const number = await cell.evaluate((cell) =>
    Array.from(cell.closest(".jp-Notebook").querySelectorAll(".jp-CodeCell")).indexOf(cell),
  );
  return (await outputs(page))[number];
}

/**
 * The same on a page whose connection was cut: JupyterLab connects again by itself, after a while.
 */
export async function runAgain(page, code) {
  await connected(page);
  return run(page, code);
}

/**
 * What each code cell of the open notebook shows, in order.
 *
 * `text` is all text, `images` counts pictures that have really been drawn, `stderr` is what was
 * written there, and `error` is the text of an exception.
 */
export function outputs(page) {
  return page.locator(CELLS).evaluateAll((cells) =>
    cells.map((cell) => ({
      prompt: cell.querySelector(".jp-InputPrompt").textContent,
      text: Array.from(
        cell.querySelectorAll(".jp-OutputArea-output:not(.jp-RenderedImage)"),
        (output) => output.textContent,
      ).join("\n"),
      images: Array.from(cell.querySelectorAll(".jp-OutputArea-output img")).filter(
        (image) => image.complete && image.naturalWidth > 0,
      ).length,
      stderr: cell.querySelector('[data-mime-type$="jupyter.stderr"]')?.textContent,
      error: cell.querySelector('[data-mime-type$="jupyter.error"]')?.textContent,
    })),
  );
}

/** Saves the open notebook and waits until JupyterLab has done so. */
export async function save(page) {
  await menu(page, "File", "docmanager:save");
  // A notebook without a name of its own is asked for one.
  const rename = page.getByRole("button", { name: /^Rename( and Save)?$/ });
  const clean = page.locator(`${TAB}:not(.jp-mod-dirty)`);
  await until("the notebook was not saved", async () => {
    if (await rename.isVisible()) {
      await rename.click();
      return false;
    }
    return clean.isVisible();
  });
}

/** Saves the open notebook where that fails, and returns what JupyterLab says of it. */
export async function saveInVain(page) {
  await menu(page, "File", "docmanager:save");
  const dialog = page.locator(".jp-Dialog", { hasText: "Save Error" });
  const text = await dialog.locator(".jp-Dialog-content").innerText();
  await dialog.getByRole("button").last().click();
  return text;
}

/** Signs out from the menu; what comes then is the hub's own page. */
export function logOut(page) {
  return menu(page, "File", "hub:logout");
}

/** Waits until JupyterLab shows a notebook whose kernel listens, however it was opened. */
export async function labReady(page) {
  await ready(page);
  await notebookReady(page);
}

/** Asks the server's own API from within the page, with the page's cookies and token. */
export function api(page, path) {
  return page.evaluate(async (path) => {
    const config = JSON.parse(document.getElementById("jupyter-config-data").textContent);
    const xsrf = /(?:^|; )_xsrf=([^;]*)/.exec(document.cookie)?.[1];
    const headers = { ...(xsrf && { "X-XSRFToken": xsrf }) };
    if (config.token) {
      headers.Authorization = `token ${config.token}`;
    }
    const answer = await fetch(`${config.baseUrl}api/${path}`, { headers });
    if (!answer.ok) {
      throw new Error(`${path}: ${answer.status}`);
    }
    return answer.json();
  }, path);
}

const NOTEBOOK = ".jp-NotebookPanel:not(.lm-mod-hidden)";
const CONSOLE_PROMPT =
  ".jp-ConsolePanel:not(.lm-mod-hidden) .jp-CodeConsole-promptCell .cm-content";
const TERMINAL = ".jp-MainAreaWidget:not(.lm-mod-hidden) .jp-Terminal";
const CELLS = `${NOTEBOOK} .jp-CodeCell`;
const TAB = ".lm-DockPanel-tabBar .lm-TabBar-tab.lm-mod-current";
const HAS_RUN = /^\[\d+\]:$/;
let marks = 0;

async function ready(page) {
  await page.locator("#jp-main-dock-panel").waitFor({ timeout: 60_000 });
  await page.locator("#jupyterlab-splash").waitFor({ state: "detached", timeout: 60_000 });
}

async function notebookReady(page) {
  await page.locator(CELLS).first().waitFor({ timeout: 60_000 });
  await connected(page);
}

// The notebook says "Idle" before its kernel's socket is up, and cells run before that are lost:
// so the server is asked whether somebody is connected to the kernel.
async function connected(page) {
  const dialog = page.locator(".jp-Dialog");
  const inTheWay = [
    dialog.getByRole("button", { name: "Select Kernel" }),
    dialog.getByRole("button", { name: "Dismiss" }),
    page.locator(".Toastify").getByRole("button", { name: "No", exact: true }),
  ];
  await until("the kernel is not connected", async () => {
    for (const button of inTheWay) {
      if (await button.isVisible()) {
        // A notification that leaves by itself must not be waited for.
        await button.click({ timeout: 1000 });
      }
    }
    const name = await page.locator(`${TAB} .lm-TabBar-tabLabel`).innerText();
    const session = (await api(page, "sessions")).find((session) => session.name === name);
    return session?.kernel.connections > 0 && session.kernel.execution_state === "idle";
  });
}

// JupyterLab may turn to the notebook again, as it does while it restores a page.
function turnToConsole(page) {
  return until("there is no console", async () => {
    await turnTo(page, "Console 1");
    return page.locator(CONSOLE_PROMPT).isVisible();
  });
}

async function fromLauncher(page, category, title) {
  const card = page.locator(`.jp-LauncherCard[data-category="${category}"]`, { hasText: title });
  await until("there is no launcher", async () => {
    if (!(await card.first().isVisible())) {
      await page.locator(".lm-DockPanel-tabBar .lm-TabBar-addButton").first().click();
    }
    return card.first().isVisible();
  });
  await card.first().click();
}

// A menu closes again when JupyterLab sets the focus somewhere else, as it does while it restores a
// page; so does everything else that follows here.
async function menu(page, title, command) {
  const item = page.locator(`.lm-Menu-item[data-command="${command}"]`);
  await until(`the menu ${title} does not stay open`, async () => {
    if (!(await item.isVisible())) {
      await page.locator(".lm-MenuBar-item", { hasText: new RegExp(`^${title}$`) }).click();
    }
    await item.click({ timeout: 2000 });
    return true;
  });
}

// The active cell once it is the last one and empty; or else a new one behind the last. It is marked, since
// others may still be drawn after it: a notebook that is opened shows its cells one by one.
async function emptyCell(page) {
  const mark = `cell-${(marks += 1)}`;
  await until("there is no new cell", async () => {
    const last = page.locator(CELLS).last();
    const isEmpty = (await source(last)) === "" && !HAS_RUN.test(await prompt(last));
    if (isEmpty && (await last.evaluate((cell) => cell.classList.contains("jp-mod-active")))) {
      await last.evaluate((cell, mark) => cell.setAttribute("data-test", mark), mark);
      return true;
    }
    // A click beside the text selects a cell without editing it.
    await last.locator(".jp-InputPrompt").click({ timeout: 2000 });
    if (!isEmpty && (await is(last, "jp-mod-active", "jp-mod-commandMode"))) {
      await page.keyboard.press("b");
    }
    return false;
  });
  return page.locator(`${CELLS}[data-test="${mark}"]`);
}

// Writes code into an empty cell, which is then being edited and holds just that.
async function write(page, cell, code) {
  const content = cell.locator(".cm-content");
  await until("the cell does not take the code", async () => {
    await content.click({ timeout: 2000 });
    if (!(await is(cell, "jp-mod-active", "jp-mod-editMode"))) {
      return false;
    }
    if ((await source(cell)) !== "") {
      await page.keyboard.press("Control+a");
      await page.keyboard.press("Delete");
      return false;
    }
    // Typing would let the editor add closing brackets of its own.
    await page.keyboard.insertText(code);
    return (await source(cell)) === code && is(cell, "jp-mod-active", "jp-mod-editMode");
  });
}

// Whether a cell is the one that keys go to, with its notebook in this mode.
function is(cell, active, mode) {
  return cell.evaluate(
    (cell, [active, mode]) => {
      const notebook = cell.closest(".jp-Notebook");
      return (
        cell.classList.contains(active) &&
        notebook.classList.contains(mode) &&
        notebook.contains(document.activeElement) &&
        (mode !== "jp-mod-editMode" || cell.contains(document.activeElement))
      );
    },
    [active, mode],
  );
}

// The text of a cell; what an empty editor suggests to write is none.
function source(cell) {
  return cell
    .locator(".cm-content")
    .evaluate((content) =>
      Array.from(content.querySelectorAll(".cm-line"), (line) =>
        line.querySelector(".cm-placeholder") ? "" : line.textContent,
      ).join("\n"),
    );
}

async function prompt(cell) {
  return (await cell.locator(".jp-InputPrompt").innerText()).trim();
}

async function allHaveRun(page) {
  const cells = await page.locator(CELLS).evaluateAll((cells) =>
    cells.map((cell) => ({
      prompt: cell.querySelector(".jp-InputPrompt").textContent.trim(),
      isEmpty: !cell.querySelector(".cm-content")?.textContent.trim(),
    })),
  );
  return cells.every(({ prompt, isEmpty }) => isEmpty || HAS_RUN.test(prompt));
}
