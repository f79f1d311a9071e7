// The modules of JupyterLab that are used here, out of what its page shares with extensions.

const shared = window._JUPYTERLAB["jansky-lab"]?.shared ?? {};

/**
 * Takes the one that is in use already, or else the newest.
 *
 * @param {string} name
 */
async function take(name) {
  const versions = Object.entries(shared[name] ?? {});
  versions.sort(
    ([one, { loaded }], [other, { loaded: otherLoaded }]) =>
      Number(loaded ?? 0) - Number(otherLoaded ?? 0) ||
      one.localeCompare(other, undefined, { numeric: true }),
  );
  const chosen = versions.at(-1)?.[1];
  if (chosen === undefined) {
    throw new Error(`this JupyterLab does not share ${name}`);
  }
  chosen.loaded = 1;
  const factory = await chosen.get();
  return factory();
}

const [coreutils, services, statusbar, terminal, polling, signaling, widgets] = await Promise.all(
  [
    "@jupyterlab/coreutils",
    "@jupyterlab/services",
    "@jupyterlab/statusbar",
    "@jupyterlab/terminal",
    "@lumino/polling",
    "@lumino/signaling",
    "@lumino/widgets",
  ].map(take),
);

/** @type {typeof import("@jupyterlab/coreutils")} */
export const { PageConfig, URLExt } = coreutils;
/** @type {typeof import("@jupyterlab/services")} */
export const { ServerConnection } = services;
/** @type {typeof import("@jupyterlab/statusbar")} */
export const { IStatusBar, showPopup } = statusbar;
/** @type {{ ITerminalTracker: import("@lumino/coreutils").Token<unknown> }} */
export const { ITerminalTracker } = terminal;
/** @type {typeof import("@lumino/polling")} */
export const { Poll } = polling;
/** @type {typeof import("@lumino/signaling")} */
export const { Signal } = signaling;
/** @type {typeof import("@lumino/widgets")} */
export const { Widget } = widgets;
