// Shows in JupyterLab's status bar which identities and services are live.

/** @import { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application" */
/** @import { IStatusBar as StatusBar } from "@jupyterlab/statusbar" */

import { StatusItem } from "./item.js";
import { reconnect } from "./reconnect.js";
import { IStatusBar } from "./shared.js";
import { UNKNOWN } from "./standing.js";
import { Watch } from "./watch.js";

/** @type {JupyterFrontEndPlugin<void>} */
const plugin = {
  id: "jansky-lab:status",
  description: "Shows which identities and services are live, and offers to sign in again.",
  autoStart: true,
  requires: [IStatusBar],
  activate: (/** @type {JupyterFrontEnd} */ app, /** @type {StatusBar} */ statusBar) => {
    const watch = new Watch(app.serviceManager.serverSettings);
    // One that does not work is tried again after the next answer.
    watch.answered.connect(() => void reconnect(app).catch(console.warn));
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
