// Asks the server again and again how things stand.

/** @import { ServerConnection as Connection } from "@jupyterlab/services" */
/** @import { Standing } from "./standing.js" */

import { PageConfig, Poll, ServerConnection, Signal, URLExt } from "./shared.js";
import { ABSENT, read, signedOut, UNKNOWN, UNREACHABLE } from "./standing.js";

/** How often the server is asked, and how often while somebody signs in, in milliseconds. */
const USUAL = 5_000;
const EAGER = 1_000;

/** Knows how things stand. */
export class Watch {
  #settings;
  #poll;
  /** Emits when something is to be shown differently. */
  changed = /** @type {import("@lumino/signaling").Signal<this, void>} */ (new Signal(this));
  /** Emits whenever the server has answered who asks. */
  answered = /** @type {import("@lumino/signaling").Signal<this, void>} */ (new Signal(this));
  /** @type {Standing} */
  standing = UNKNOWN;

  /** @param {Connection.ISettings} settings */
  constructor(settings) {
    this.#settings = settings;
    this.#poll = new Poll({
      name: "jansky-lab:status",
      factory: () => this.#ask(),
      frequency: { interval: USUAL, backoff: true, max: 60_000 },
      standby: "when-hidden",
    });
  }

  /**
   * Asks more often while `eager`, and at once.
   *
   * @param {boolean} eager
   */
  hurry(eager) {
    this.#poll.frequency = { interval: eager ? EAGER : USUAL, backoff: !eager, max: 60_000 };
    void this.#poll.refresh();
  }

  /** Where people sign in to the gateway. */
  static signInUrl() {
    const host = PageConfig.getOption("hubHost") || window.location.origin;
    const login = new URL(URLExt.join(PageConfig.getOption("hubPrefix") || "/hub/", "login"), host);
    // Passing there renews what the browser needs to go on with this server.
    login.searchParams.set("next", URLExt.join(PageConfig.getBaseUrl(), "jansky/signed-in"));
    return login.href;
  }

  async #ask() {
    const url = URLExt.join(this.#settings.baseUrl, "jansky/status");
    const response = await ServerConnection.makeRequest(url, {}, this.#settings).catch(() => null);
    if (response === null) {
      this.#show(UNREACHABLE);
      throw new Error("the server does not answer");
    }
    if (response.status === 401 || response.status === 403) {
      this.#show(signedOut(Watch.signInUrl()));
      return;
    }
    /** @type {unknown} */
    const answer = response.ok ? await response.json().catch(() => null) : null;
    if (answer === null) {
      this.#show(UNREACHABLE);
      throw new Error(`the server answered ${response.status}`);
    }
    this.answered.emit();
    const standing = read(answer, Watch.signInUrl());
    if (standing === ABSENT) {
      void this.#poll.stop();
      return;
    }
    this.#show(standing);
  }

  /** @param {Standing} standing */
  #show(standing) {
    if (JSON.stringify(standing) !== JSON.stringify(this.standing)) {
      this.standing = standing;
      this.changed.emit();
    }
  }
}
