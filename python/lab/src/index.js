// Shows in JupyterLab's status bar which identities and services are live.

/** @import { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application" */
/** @import { IStatusBar as StatusBar } from "@jupyterlab/statusbar" */
/** @import { Terminals } from "./signed_out.js" */

import { StatusItem } from "./item.js";
import { IStatusBar, ITerminalTracker } from "./shared.js";
import { keepQuiet } from "./signed_out.js";
import { UNKNOWN } from "./standing.js";
import { Watch } from "./watch.js";

/** @type {JupyterFrontEndPlugin<void>} */
const plugin = {
  id: "jansky-lab:status",
  description: "Shows which identities and services are live, and offers to sign in again.",
  autoStart: true,
  requires: [IStatusBar],
  optional: [ITerminalTracker],
  activate: (
    /** @type {JupyterFrontEnd} */ app,
    /** @type {StatusBar} */ statusBar,
    /** @type {Terminals | null} */ terminals,
  ) => {
    const watch = new Watch(app.serviceManager.serverSettings);
    keepQuiet(app, watch, terminals);
    const item = new StatusItem(watch);
    statusBar.registerStatusItem("jansky-lab:status", {
      item,
      align: "right",
      rank: 900,
      // Until the server has said that there is an agent, and for ever where there is none.
      isActive: () => watch.standing !== UNKNOWN,
      activeStateChanged: watch.changed,
    });
  },
};

export default plugin;
