// The item in the status bar, and the list that it opens.

/** @import { Popup } from "@jupyterlab/statusbar" */
/** @import { Message } from "@lumino/messaging" */
/** @import { Colour, Line } from "./standing.js" */
/** @import { Watch } from "./watch.js" */

import { showPopup, Widget } from "./shared.js";
import { signIn } from "./sign_in.js";

/** Shows in one word whether tokens are there. */
export class StatusItem extends Widget {
  #watch;
  #dot = dot("unknown");
  #words = document.createElement("span");
  /** @type {Popup | null} */
  #popup = null;

  /** @param {Watch} watch */
  constructor(watch) {
    super({ node: document.createElement("button") });
    this.#watch = watch;
    this.addClass("jp-Jansky-item");
    this.node.append(this.#dot, this.#words);
    this.node.setAttribute("type", "button");
    this.node.setAttribute("aria-haspopup", "dialog");
    watch.changed.connect(this.#draw, this);
    this.#draw();
  }

  /** @override */
  dispose() {
    this.#watch.changed.disconnect(this.#draw, this);
    super.dispose();
  }

  /**
   * @override
   * @protected
   * @param {Message} message
   */
  onAfterAttach(message) {
    super.onAfterAttach(message);
    this.node.addEventListener("click", this);
  }

  /**
   * @override
   * @protected
   * @param {Message} message
   */
  onBeforeDetach(message) {
    this.node.removeEventListener("click", this);
    super.onBeforeDetach(message);
  }

  /**
   * The browser calls this.
   *
   * @param {Event} event
   */
  handleEvent(event) {
    if (event.type === "click") {
      this.#toggle();
    }
  }

  #toggle() {
    if (this.#popup && !this.#popup.isDisposed) {
      this.#popup.dispose();
      this.#popup = null;
      return;
    }
    this.#watch.hurry(false);
    const body = new StandingList(this.#watch);
    this.#popup = showPopup({ body, anchor: this, align: "right" });
  }

  #draw() {
    const standing = this.#watch.standing;
    this.#dot.dataset["state"] = standing.colour;
    this.#words.textContent = standing.title;
    this.node.title = standing.explanation ?? "Identities and services of this server";
  }
}

/** Shows everything, and is kept up to date while it is open. */
class StandingList extends Widget {
  #watch;

  /** @param {Watch} watch */
  constructor(watch) {
    super();
    this.#watch = watch;
    this.addClass("jp-Jansky-popup");
    // With the focus inside, Escape closes it.
    this.node.tabIndex = -1;
    this.node.setAttribute("role", "dialog");
    this.node.setAttribute("aria-label", "Identities and services");
    watch.changed.connect(this.#fill, this);
    this.#fill();
  }

  /** @override */
  dispose() {
    this.#watch.changed.disconnect(this.#fill, this);
    super.dispose();
  }

  /**
   * @override
   * @protected
   * @param {Message} message
   */
  onAfterAttach(message) {
    super.onAfterAttach(message);
    this.node.focus();
  }

  #fill() {
    const standing = this.#watch.standing;
    /** @type {HTMLElement[]} */
    const parts = [];
    if (standing.explanation !== undefined) {
      parts.push(element("p", standing.explanation));
    }
    if (standing.signIn !== undefined) {
      parts.push(this.#button(standing.signIn, ""));
    }
    for (const { title, lines } of [
      { title: "Identities", lines: standing.identities },
      { title: "Services", lines: standing.services },
    ]) {
      if (lines.length > 0) {
        parts.push(element("h2", title), this.#list(lines));
      }
    }
    if (parts.length === 0) {
      parts.push(element("p", "No services are configured for this server."));
    }
    this.node.replaceChildren(...parts);
    // It may need another place now.
    this.parent?.update();
  }

  /** @param {readonly Line[]} lines */
  #list(lines) {
    const list = document.createElement("ul");
    for (const line of lines) {
      const item = document.createElement("li");
      const name = element("span", line.name);
      name.className = "jp-Jansky-name";
      const words = element("span", line.words);
      words.className = "jp-Jansky-words";
      item.append(dot(line.colour), name, words);
      if (line.signIn !== undefined) {
        item.append(this.#button(line.signIn, ` to ${line.name}`));
      }
      list.append(item);
    }
    return list;
  }

  /**
   * @param {string} url
   * @param {string} to
   */
  #button(url, to) {
    const button = element("button", "Sign in again");
    button.setAttribute("aria-label", `Sign in again${to}`);
    button.addEventListener("click", () => signIn(this.#watch, url));
    return button;
  }
}

/** @param {Colour} colour */
function dot(colour) {
  const dot = document.createElement("span");
  dot.className = "jp-Jansky-dot";
  dot.dataset["state"] = colour;
  return dot;
}

/**
 * @param {"p" | "h2" | "span" | "button"} name
 * @param {string} text
 * @returns {HTMLElement}
 */
function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
