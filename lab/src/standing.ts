// How things stand, as the server says it, and what of that a person is told. Nothing here knows of
// JupyterLab or of a page.

/** What colour a thing has. */
export type Colour = "ok" | "attention" | "stopped" | "unknown";

/** One line: an identity or a service. */
export interface Line {
  readonly name: string;
  readonly colour: Colour;
  readonly words: string;
  /** Where to sign in again, when that helps. */
  readonly signIn?: string;
}

/** Everything that is shown. */
export interface Standing {
  readonly colour: Colour;
  /** In the status bar. */
  readonly title: string;
  /** More about it, for a person, when there is more to say. */
  readonly explanation?: string;
  /** Where to sign in again for everything. */
  readonly signIn?: string;
  readonly identities: readonly Line[];
  readonly services: readonly Line[];
}

/** Nothing is shown: this server has no agent. */
export const ABSENT = "absent";

/** Before the first answer. */
export const UNKNOWN: Standing = {
  colour: "unknown",
  title: "Tokens",
  identities: [],
  services: []
};

/** When the server does not know the browser any more. */
export function signedOut(signIn: string): Standing {
  return {
    ...UNKNOWN,
    colour: "stopped",
    title: "Signed out",
    explanation: "You have signed out of the gateway. Your notebook is still here.",
    signIn
  };
}

/** When the server itself does not answer. */
export const UNREACHABLE: Standing = {
  ...UNKNOWN,
  title: "Tokens: server away"
};

/** Reads an answer of the server; `signIn` is where people sign in to the gateway. */
export function read(answer: unknown, signIn: string): Standing | typeof ABSENT {
  const whole = fields(answer);
  const state = text(whole["state"]);
  if (state === ABSENT) {
    return ABSENT;
  }
  const identities = list(whole["identities"]).map(identity);
  const services = list(whole["audiences"]).map(service);
  const lines = { identities, services };
  switch (state) {
    case "active":
      return active(lines, text(whole["hub"]) === "unreachable");
    case "frozen":
      return frozen(lines, text(whole["frozen_reason"]), signIn);
    case "enrolling":
      return { ...lines, colour: "unknown", title: "Tokens: starting" };
    default:
      return {
        ...lines,
        colour: "stopped",
        title: "No tokens",
        explanation: `This server gets no tokens. ${text(whole["problem"]) ?? ""}`.trim()
      };
  }
}

type Lines = Pick<Standing, "identities" | "services">;

function active(lines: Lines, unreachable: boolean): Standing {
  const all = [...lines.identities, ...lines.services];
  const again = all.find(line => line.signIn !== undefined);
  if (again) {
    return { ...lines, colour: "attention", title: "Sign in again" };
  }
  if (unreachable) {
    return {
      ...lines,
      colour: "unknown",
      title: "Tokens: gateway away",
      explanation: "The gateway does not answer. Tokens that are still good are used meanwhile."
    };
  }
  const ready = lines.services.filter(line => line.colour === "ok").length;
  return {
    ...lines,
    colour: ready === 0 && lines.services.length > 0 ? "attention" : "ok",
    title: `Tokens: ${ready} of ${lines.services.length}`
  };
}

function frozen(lines: Lines, reason: string | undefined, signIn: string): Standing {
  const stopped = (line: Line): Line => ({
    name: line.name,
    colour: "stopped",
    words: "stopped"
  });
  const shown = { identities: [], services: lines.services.map(stopped) };
  if (reason === "signed_out") {
    return {
      ...shown,
      colour: "stopped",
      title: "Signed out",
      explanation: "You have signed out of the gateway, so this server gets no tokens until you sign in again.",
      signIn
    };
  }
  const explanation =
    reason === "operator"
      ? "An operator has stopped the tokens of this server."
      : "The gateway has stopped the tokens of this server. Save your work and start the server again.";
  return { ...shown, colour: "stopped", title: "Tokens stopped", explanation };
}

function identity(value: unknown): Line {
  const of = fields(value);
  const name = text(of["title"]) ?? text(of["provider"]) ?? "?";
  switch (text(of["state"])) {
    case "ok":
      return { name, colour: "ok", words: "signed in" };
    case "reauth":
      return { name, colour: "attention", words: "", signIn: text(of["reauth_url"]) };
    default:
      return { name, colour: "unknown", words: "does not answer" };
  }
}

function service(value: unknown): Line {
  const of = fields(value);
  const name = text(of["title"]) ?? text(of["id"]) ?? "?";
  switch (text(of["state"])) {
    case "ready":
      return { name, colour: "ok", words: life(of["expires_in"]) };
    case "reauth_required":
      return { name, colour: "attention", words: "", signIn: text(of["reauth_url"]) };
    case "server_shared":
      return { name, colour: "unknown", words: "not while shared" };
    case "not_allowed":
      return { name, colour: "unknown", words: "not for you" };
    default:
      return { name, colour: "unknown", words: "does not answer" };
  }
}

/** How much is left, in words. A token that nobody has asked for yet is made when it is needed. */
export function life(seconds: unknown): string {
  if (typeof seconds !== "number") {
    return "ready";
  }
  return seconds < 90 ? `${Math.round(seconds)} s left` : `${Math.round(seconds / 60)} min left`;
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
