// How things stand, as the server says it, and what of that a person is told. Nothing here knows of
// JupyterLab or of a page.

/**
 * What colour a thing has.
 *
 * @typedef {"ok" | "attention" | "stopped" | "unknown"} Colour
 */

/**
 * One line: an identity or a service.
 *
 * @typedef {object} Line
 * @property {string} name
 * @property {Colour} colour
 * @property {string} words
 * @property {string} [signIn] where to sign in again, when that helps
 */

/**
 * The lines that are shown.
 *
 * @typedef {object} Lines
 * @property {readonly Line[]} identities
 * @property {readonly Line[]} services
 */

/**
 * The rest of what is shown.
 *
 * @typedef {object} Summary
 * @property {Colour} colour
 * @property {string} title in the status bar
 * @property {string} [explanation] more about it, for a person, when there is more to say
 * @property {string} [signIn] where to sign in again for everything
 */

/** @typedef {Readonly<Lines & Summary>} Standing */

/** Nothing is shown: this server has no agent. */
export const ABSENT = "absent";

/**
 * Before the first answer.
 *
 * @type {Standing}
 */
export const UNKNOWN = {
  colour: "unknown",
  title: "Tokens",
  identities: [],
  services: [],
};

/**
 * When the server does not know the browser any more.
 *
 * @param {string} signIn
 * @returns {Standing}
 */
export function signedOut(signIn) {
  return {
    ...UNKNOWN,
    colour: "stopped",
    title: "Signed out",
    explanation: "You are signed out of the gateway. Your notebook is still here.",
    signIn,
  };
}

/**
 * When the server itself does not answer.
 *
 * @type {Standing}
 */
export const UNREACHABLE = {
  ...UNKNOWN,
  title: "Tokens: server away",
};

/**
 * Reads an answer of the server; `signIn` is where people sign in to the gateway.
 *
 * @param {unknown} answer
 * @param {string} signIn
 * @returns {Standing | typeof ABSENT}
 */
export function read(answer, signIn) {
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
        explanation: `This server gets no tokens. ${text(whole["problem"]) ?? ""}`.trim(),
      };
  }
}

/**
 * @param {Lines} lines
 * @param {boolean} unreachable
 * @returns {Standing}
 */
function active(lines, unreachable) {
  const all = [...lines.identities, ...lines.services];
  const again = all.find((line) => line.signIn !== undefined);
  if (again) {
    return { ...lines, colour: "attention", title: "Sign in again" };
  }
  if (unreachable) {
    return {
      ...lines,
      colour: "unknown",
      title: "Tokens: gateway away",
      explanation: "The gateway does not answer. Tokens that are still good are used meanwhile.",
    };
  }
  const ready = lines.services.filter((line) => line.colour === "ok").length;
  return {
    ...lines,
    colour: ready === 0 && lines.services.length > 0 ? "attention" : "ok",
    title: `Tokens: ${ready} of ${lines.services.length}`,
  };
}

/**
 * @param {Lines} lines
 * @param {string | undefined} reason
 * @param {string} signIn
 * @returns {Standing}
 */
function frozen(lines, reason, signIn) {
  /** @type {(line: Line) => Line} */
  const stopped = (line) => ({
    name: line.name,
    colour: "stopped",
    words: "stopped",
  });
  const shown = { identities: [], services: lines.services.map(stopped) };
  if (reason === "signed_out") {
    return {
      ...shown,
      colour: "stopped",
      title: "Signed out",
      explanation:
        "You have signed out of the gateway, so this server gets no tokens until you sign in again.",
      signIn,
    };
  }
  const explanation =
    reason === "operator"
      ? "An operator has stopped the tokens of this server."
      : "The gateway has stopped the tokens of this server. Save your work and start the server again.";
  return { ...shown, colour: "stopped", title: "Tokens stopped", explanation };
}

/**
 * @param {unknown} value
 * @returns {Line}
 */
function identity(value) {
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

/**
 * @param {unknown} value
 * @returns {Line}
 */
function service(value) {
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

/**
 * How much is left, in words. A token that nobody has asked for yet is made when it is needed.
 *
 * @param {unknown} seconds
 */
export function life(seconds) {
  if (typeof seconds !== "number") {
    return "ready";
  }
  return seconds < 90 ? `${Math.round(seconds)} s left` : `${Math.round(seconds / 60)} min left`;
}

/**
 * @param {unknown} value
 * @returns {Record<string, unknown>}
 */
function fields(value) {
  return typeof value === "object" && value !== null
    ? /** @type {Record<string, unknown>} */ (value)
    : {};
}

/**
 * @param {unknown} value
 * @returns {unknown[]}
 */
function list(value) {
  return Array.isArray(value) ? value : [];
}

/**
 * @param {unknown} value
 * @returns {string | undefined}
 */
function text(value) {
  return typeof value === "string" && value !== "" ? value : undefined;
}
