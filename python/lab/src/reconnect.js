// Connects notebooks and consoles again to kernels that JupyterLab took for dead.
//
// When a session at the gateway ends, the connections of its browser are cut. JupyterLab asks the server about
// the kernel then, is refused, takes the kernel for dead and gives its connection up for good: nothing in its
// menus brings it back, although the kernel goes on. So that is done here, once the server answers again.

/** @import { JupyterFrontEnd } from "@jupyterlab/application" */
/** @import { Session } from "@jupyterlab/services" */

/**
 * What a session is that can be told what the server says of it.
 *
 * @typedef {Session.ISessionConnection & {
 *   update(model: Omit<Session.IModel, "kernel"> & { kernel: Session.IModel["kernel"] }): void
 * }} Connection
 */

/** @param {JupyterFrontEnd} app */
export async function reconnect(app) {
  const lost = [...app.shell.widgets("main")].flatMap(sessionOf).filter(isLost);
  if (lost.length === 0) {
    return;
  }
  await app.serviceManager.sessions.refreshRunning();
  const running = [...app.serviceManager.sessions.running()];
  for (const session of lost) {
    const model = running.find(({ id }) => id === session.id);
    // One that has really ended is not there any more, or known to be dead.
    if (model?.kernel && model.kernel.execution_state !== "dead") {
      // With the same kernel as before it would change nothing.
      session.update({ ...model, kernel: null });
      session.update(model);
    }
  }
}

/** @param {Connection} session */
function isLost(session) {
  return !session.isDisposed && session.kernel?.isDisposed === true;
}

/**
 * The session of a notebook or console; nothing for other widgets.
 *
 * @param {object} widget
 * @returns {Connection[]}
 */
function sessionOf(widget) {
  /** @type {{ sessionContext?: { session?: Connection | null } }} */
  const { sessionContext } = widget;
  return sessionContext?.session ? [sessionContext.session] : [];
}
