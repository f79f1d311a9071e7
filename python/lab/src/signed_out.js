// What JupyterLab does while nobody is signed in.
//
// When a session at the gateway ends, the connections of its browser are cut and its requests refused. JupyterLab
// takes a kernel of which it may not hear for dead then, says so in a dialog and gives its connection up for
// good, although the kernel goes on; a terminal it gives up after two minutes. So questions about kernels wait
// until somebody is signed in again, terminals are connected anew then, and whatever else is refused meanwhile
// says why.

/** @import { JupyterFrontEnd, JupyterLab } from "@jupyterlab/application" */
/** @import { ServerConnection, Terminal } from "@jupyterlab/services" */
/** @import { Watch } from "./watch.js" */

/**
 * What is asked here of `ITerminalTracker`.
 *
 * @typedef {object} Terminals
 * @property {(tell: (terminal: { content: { session: Terminal.ITerminalConnection } }) => void) => void} forEach
 */

/** The addresses at which JupyterLab asks how a kernel is. */
const KERNEL = /\/api\/kernels\/[^/?]+(\?|$)/;

const EXPLANATION =
  "You are signed out of the gateway. Choose “Signed out” in the status bar to sign in again.";

/**
 * @param {JupyterFrontEnd} app
 * @param {Watch} watch
 * @param {Terminals | null} terminals
 */
export function keepQuiet(app, watch, terminals) {
  const settings = /** @type {{ fetch: ServerConnection.ISettings["fetch"] }} */ (
    app.serviceManager.serverSettings
  );
  settings.fetch = patient(settings.fetch, watch);
  watch.signedOutChanged.connect(() => {
    // JupyterLab asks for nothing and saves nothing by itself without a connection.
    const { info } = /** @type {JupyterLab} */ (app);
    if (info) {
      info.isConnected = !watch.isSignedOut;
    }
    if (!watch.isSignedOut) {
      terminals?.forEach(({ content }) => reconnect(content.session));
    }
  });
}

/**
 * Asks as `fetch` does, but does not take a refusal for an answer.
 *
 * @param {ServerConnection.ISettings["fetch"]} fetch
 * @param {Pick<Watch, "isSignedOut" | "isKnown" | "answers" | "request">} watch
 * @returns {ServerConnection.ISettings["fetch"]}
 */
export function patient(fetch, watch) {
  return async (input, init) => {
    let answer = await fetch(input, init);
    // It may as well be somebody who is signed in and may not do just this.
    while ((answer.status === 401 || answer.status === 403) && !(await watch.isKnown())) {
      const { url, method } = typeof input === "string" ? { url: input, method: "GET" } : input;
      if ((init?.method ?? method) !== "GET" || !KERNEL.test(url)) {
        return watch.isSignedOut ? explained(answer) : answer;
      }
      await watch.answers();
      // Not what was asked before: the token against forgery in it ended with the session.
      answer = await watch.request(url);
    }
    return answer;
  };
}

/** @param {Response} answer */
function explained({ status, statusText }) {
  const headers = { "Content-Type": "application/json" };
  return new Response(JSON.stringify({ message: EXPLANATION }), { status, statusText, headers });
}

/** @param {Terminal.ITerminalConnection} session */
function reconnect(session) {
  if (!session.isDisposed && session.connectionStatus !== "connected") {
    session.reconnect().catch(console.warn);
  }
}
