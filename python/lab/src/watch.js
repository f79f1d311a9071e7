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
  /** Emits when `isSignedOut` has changed. */
  signedOutChanged = /** @type {import("@lumino/signaling").Signal<this, void>} */ (
    new Signal(this)
  );
  /** Whether the server refused who asks when it was asked last. */
  isSignedOut = false;
  /** Emits whenever the server has answered who asks. */
  #answered = /** @type {import("@lumino/signaling").Signal<this, void>} */ (new Signal(this));
  /** @type {Standing} */
  standing = UNKNOWN;

  /** @param {Connection.ISettings} settings */
  constructor(settings) {
    // As they are now: what others make of a refusal is not for who looks for one.
    this.#settings = { ...settings };
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

  /** Whether the server knows who asks, of which it is asked when it is not known that it does not. */
  async isKnown() {
    return !this.isSignedOut && this.#ask().catch(() => false);
  }

  /** Waits until the server answers who asks. */
  answers() {
    return new Promise((resolve) => {
      const once = () => {
        this.#answered.disconnect(once);
        resolve(undefined);
      };
      this.#answered.connect(once);
    });
  }

  /**
   * Asks the server, of which `url` is an address.
   *
   * @param {string} url
   */
  request(url) {
    return ServerConnection.makeRequest(url, {}, this.#settings);
  }

  /** Where people sign in to the gateway. */
  static signInUrl() {
    const host = PageConfig.getOption("hubHost") || window.location.origin;
    const login = new URL(URLExt.join(PageConfig.getOption("hubPrefix") || "/hub/", "login"), host);
    // Passing there renews what the browser needs to go on with this server.
    login.searchParams.set("next", URLExt.join(PageConfig.getBaseUrl(), "jansky/signed-in"));
    return login.href;
  }

  /**
   * Asks the server and shows what it says; returns whether it answered who asks.
   *
   * @returns {Promise<boolean>}
   */
  async #ask() {
    const url = URLExt.join(this.#settings.baseUrl, "jansky/status");
    const response = await this.request(url).catch(() => null);
    if (response === null) {
      this.#show(UNREACHABLE);
      throw new Error("the server does not answer");
    }
    if (response.status === 401 || response.status === 403) {
      this.#show(signedOut(Watch.signInUrl()));
      this.#setSignedOut(true);
      // Where there is no agent nobody has asked any more.
      void this.#poll.start();
      return false;
    }
    /** @type {unknown} */
    const answer = response.ok ? await response.json().catch(() => null) : null;
    if (answer === null) {
      this.#show(UNREACHABLE);
      throw new Error(`the server answered ${response.status}`);
    }
    const standing = read(answer, Watch.signInUrl());
    if (standing === ABSENT) {
      void this.#poll.stop();
    }
    this.#show(standing === ABSENT ? UNKNOWN : standing);
    this.#setSignedOut(false);
    this.#answered.emit();
    return true;
  }

  /** @param {Standing} standing */
  #show(standing) {
    if (JSON.stringify(standing) !== JSON.stringify(this.standing)) {
      this.standing = standing;
      this.changed.emit();
    }
  }

  /** @param {boolean} isSignedOut */
  #setSignedOut(isSignedOut) {
    if (isSignedOut !== this.isSignedOut) {
      this.isSignedOut = isSignedOut;
      this.signedOutChanged.emit();
    }
  }
}
