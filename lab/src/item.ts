// The item in the status bar, and the list that it opens.

import { Popup, showPopup } from "@jupyterlab/statusbar";
import { Message } from "@lumino/messaging";
import { Widget } from "@lumino/widgets";

import { signIn } from "./signIn";
import { Colour, Line } from "./standing";
import { Watch } from "./watch";

/** Shows in one word whether tokens are there. */
export class StatusItem extends Widget {
  private readonly dot = dot("unknown");
  private readonly words = document.createElement("span");
  private popup: Popup | null = null;

  constructor(private readonly watch: Watch) {
    super({ node: document.createElement("button") });
    this.addClass("jp-Jansky-item");
    this.node.append(this.dot, this.words);
    this.node.setAttribute("type", "button");
    this.node.setAttribute("aria-haspopup", "dialog");
    watch.changed.connect(this.draw, this);
    this.draw();
  }

  override dispose(): void {
    this.watch.changed.disconnect(this.draw, this);
    super.dispose();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.node.addEventListener("click", this);
  }

  protected override onBeforeDetach(message: Message): void {
    this.node.removeEventListener("click", this);
    super.onBeforeDetach(message);
  }

  /** The browser calls this. */
  handleEvent(event: Event): void {
    if (event.type === "click") {
      this.toggle();
    }
  }

  private toggle(): void {
    if (this.popup && !this.popup.isDisposed) {
      this.popup.dispose();
      this.popup = null;
      return;
    }
    this.watch.hurry(false);
    const body = new StandingList(this.watch);
    this.popup = showPopup({ body, anchor: this, align: "right" });
  }

  private draw(): void {
    const standing = this.watch.standing;
    this.dot.dataset["state"] = standing.colour;
    this.words.textContent = standing.title;
    this.node.title = standing.explanation ?? "Identities and services of this server";
  }
}

/** Shows everything, and is kept up to date while it is open. */
class StandingList extends Widget {
  constructor(private readonly watch: Watch) {
    super();
    this.addClass("jp-Jansky-popup");
    // With the focus inside, Escape closes it.
    this.node.tabIndex = -1;
    this.node.setAttribute("role", "dialog");
    this.node.setAttribute("aria-label", "Identities and services");
    watch.changed.connect(this.fill, this);
    this.fill();
  }

  override dispose(): void {
    this.watch.changed.disconnect(this.fill, this);
    super.dispose();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.node.focus();
  }

  private fill(): void {
    const standing = this.watch.standing;
    const parts: HTMLElement[] = [];
    if (standing.explanation !== undefined) {
      parts.push(element("p", standing.explanation));
    }
    if (standing.signIn !== undefined) {
      parts.push(this.button(standing.signIn, ""));
    }
    for (const [title, lines] of [
      ["Identities", standing.identities],
      ["Services", standing.services]
    ] as const) {
      if (lines.length > 0) {
        parts.push(element("h2", title), this.list(lines));
      }
    }
    if (parts.length === 0) {
      parts.push(element("p", "No services are configured for this server."));
    }
    this.node.replaceChildren(...parts);
    // It may need another place now.
    this.parent?.update();
  }

  private list(lines: readonly Line[]): HTMLElement {
    const list = document.createElement("ul");
    for (const line of lines) {
      const item = document.createElement("li");
      const name = element("span", line.name);
      name.className = "jp-Jansky-name";
      const words = element("span", line.words);
      words.className = "jp-Jansky-words";
      item.append(dot(line.colour), name, words);
      if (line.signIn !== undefined) {
        item.append(this.button(line.signIn, ` to ${line.name}`));
      }
      list.append(item);
    }
    return list;
  }

  private button(url: string, to: string): HTMLElement {
    const button = element("button", "Sign in again");
    button.setAttribute("aria-label", `Sign in again${to}`);
    button.addEventListener("click", () => signIn(this.watch, url));
    return button;
  }
}

function dot(colour: Colour): HTMLElement {
  const dot = document.createElement("span");
  dot.className = "jp-Jansky-dot";
  dot.dataset["state"] = colour;
  return dot;
}

function element(name: "p" | "h2" | "span" | "button", text: string): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
