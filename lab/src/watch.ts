// Asks the server again and again how things stand.

import { PageConfig, URLExt } from "@jupyterlab/coreutils";
import { ServerConnection } from "@jupyterlab/services";
import { Poll } from "@lumino/polling";
import { ISignal, Signal } from "@lumino/signaling";

import { ABSENT, read, signedOut, Standing, UNKNOWN, UNREACHABLE } from "./standing";

/** How often the server is asked, and how often while somebody signs in, in milliseconds. */
const USUAL = 5_000;
const EAGER = 1_000;

/** Knows how things stand. */
export class Watch {
  private readonly poll: Poll;
  private readonly changes = new Signal<this, void>(this);
  private now: Standing = UNKNOWN;

  constructor(private readonly settings: ServerConnection.ISettings) {
    this.poll = new Poll({
      name: "jansky-lab:status",
      factory: () => this.ask(),
      frequency: { interval: USUAL, backoff: true, max: 60_000 },
      standby: "when-hidden"
    });
  }

  /** Emits when something is to be shown differently. */
  get changed(): ISignal<this, void> {
    return this.changes;
  }

  get standing(): Standing {
    return this.now;
  }

  /** Asks more often while `eager`, and at once. */
  hurry(eager: boolean): void {
    this.poll.frequency = { interval: eager ? EAGER : USUAL, backoff: !eager, max: 60_000 };
    void this.poll.refresh();
  }

  /** Where people sign in to the gateway. */
  static signInUrl(): string {
    const host = PageConfig.getOption("hubHost") || window.location.origin;
    const login = new URL(URLExt.join(PageConfig.getOption("hubPrefix") || "/hub/", "login"), host);
    // Passing there renews what the browser needs to go on with this server.
    login.searchParams.set("next", URLExt.join(PageConfig.getBaseUrl(), "jansky/signed-in"));
    return login.href;
  }

  private async ask(): Promise<void> {
    const url = URLExt.join(this.settings.baseUrl, "jansky/status");
    const response = await ServerConnection.makeRequest(url, {}, this.settings).catch(() => null);
    if (response === null) {
      this.show(UNREACHABLE);
      throw new Error("the server does not answer");
    }
    if (response.status === 401 || response.status === 403) {
      this.show(signedOut(Watch.signInUrl()));
      return;
    }
    const answer: unknown = response.ok ? await response.json().catch(() => null) : null;
    if (answer === null) {
      this.show(UNREACHABLE);
      throw new Error(`the server answered ${response.status}`);
    }
    const standing = read(answer, Watch.signInUrl());
    if (standing === ABSENT) {
      void this.poll.stop();
      return;
    }
    this.show(standing);
  }

  private show(standing: Standing): void {
    if (JSON.stringify(standing) !== JSON.stringify(this.now)) {
      this.now = standing;
      this.changes.emit();
    }
  }
}
