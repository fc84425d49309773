/** The viewer's buttons and keys: what is pressed, and what that asks of the panes. Knows no Cornerstone and no words. */

import type { Mode } from "./gestures";
import type { Pane } from "./pane";
import { fillScreen, onLeft } from "./screen";
import { PRESETS, type Preset } from "./window";

const STEP = 1.25;
const MODES: readonly string[] = ["window", "pan", "zoom", "length"] satisfies Mode[];
/** Before anybody chose: on a screen that is touched, a finger scrolls. */
const FIRST: Mode = matchMedia("(pointer: coarse)").matches ? "scroll" : "window";

export class Toolbar {
  mode = FIRST;
  private readonly buttons = new Map<string, HTMLButtonElement>();
  private readonly opacity: HTMLInputElement | null; // where a film has heat
  private current: Pane; // the pane that last had the focus
  private moving = false;

  constructor(
    private readonly root: HTMLElement,
    private readonly panes: Pane[],
    private readonly compare: (shown: boolean) => Promise<void>,
  ) {
    for (const button of root.querySelectorAll<HTMLButtonElement>("button[data-action]")) {
      this.buttons.set(button.dataset.action!, button);
      button.addEventListener("click", () => this.act(button.dataset.action!));
    }
    this.opacity = root.querySelector<HTMLInputElement>("input[type=range]");
    this.opacity?.addEventListener("input", () => this.refresh());
    root.addEventListener("keydown", (event) => this.press(event));
    onLeft(root, () => this.fill(false));
    this.current = panes[0]!;
    root.addEventListener("focusin", (event) => {
      this.current = panes.find((pane) => pane.parts.root.contains(event.target as Node)) ?? this.current;
      this.refresh();
    });
  }

  /** Put every pane and button in the state that the buttons say. */
  refresh(): void {
    const heat = this.isPressed("heat");
    if (this.opacity) this.opacity.disabled = !heat;
    for (const pane of this.panes) {
      pane.parts.root.classList.toggle("current", pane === this.current);
      pane.overlay.setHeat(heat, Number(this.opacity?.value ?? 50) / 100);
      pane.overlay.setOutlines(this.isPressed("outlines"));
    }
    for (const mode of MODES) this.setPressed(mode, mode === this.mode);
    this.setPressed("invert", this.current.inverted);
    const follow = this.buttons.get("follow");
    if (follow) follow.hidden = !this.isPressed("compare");
    this.root.dataset.mode = this.mode;
  }

  /** Show or put away the earlier film. */
  async setCompared(shown: boolean): Promise<void> {
    this.setPressed("compare", shown);
    if (!shown) this.current = this.panes[0]!;
    await this.compare(shown);
  }

  /** A pane was moved by hand: the other follows while that is wished. */
  moved(by: Pane): void {
    if (this.moving || !this.isPressed("follow") || !this.isPressed("compare")) return;
    this.moving = true; // the other's own move shall not come back
    for (const pane of this.panes) if (pane !== by && pane.isShown) pane.place = by.place;
    this.moving = false;
  }

  private act(action: string): void {
    if (MODES.includes(action)) this.mode = this.mode === action ? FIRST : (action as Mode);
    else if (action === "full") this.fill(!this.isPressed("full"));
    else if (action === "compare") void this.setCompared(!this.isPressed("compare"));
    else if (action === "heat" || action === "outlines" || action === "follow") {
      this.setPressed(action, !this.isPressed(action));
      if (action === "follow") this.moved(this.current);
    } else if (!this.current.isShown) return;
    else if (action in PRESETS) this.current.preset(action as Preset);
    else if (action === "invert") this.current.invert();
    else if (action === "fit") this.current.fit();
    else if (action === "reset") this.current.reset();
    this.refresh();
  }

  private press(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === this.opacity) return;
    const key = event.key.toLowerCase();
    const { clientWidth, clientHeight } = this.current.parts.surface;
    const button = document.querySelector<HTMLButtonElement>(`button[aria-keyshortcuts="${CSS.escape(key)}"]`);
    if (button) button.click();
    else if (key === "pageup" || key === "pagedown") this.step(key === "pageup" ? -1 : 1);
    else if (key === "?") this.root.querySelector<HTMLElement>(".hints summary")!.click();
    else if (!this.current.isShown) return;
    else if (key === "+" || key === "=") this.current.zoom(STEP, [clientWidth / 2, clientHeight / 2]);
    else if (key === "-") this.current.zoom(1 / STEP, [clientWidth / 2, clientHeight / 2]);
    else if (key.startsWith("arrow")) this.current.pan(towards(key));
    else if (key === "delete" || key === "backspace") this.current.measures.removeLast();
    else return;
    event.preventDefault();
  }

  private fill(wanted: boolean): void {
    this.setPressed("full", wanted);
    fillScreen(this.root, wanted);
  }

  /** To the film before or after in the strip. */
  private step(by: number): void {
    const entries = [...this.root.querySelectorAll<HTMLButtonElement>('.strip button[data-of="now"]')];
    const here = entries.findIndex((entry) => entry.getAttribute("aria-pressed") === "true");
    entries[here + by]?.click();
    entries[here + by]?.scrollIntoView({ block: "nearest" });
  }

  private isPressed(action: string): boolean {
    return this.buttons.get(action)?.getAttribute("aria-pressed") === "true";
  }

  private setPressed(action: string, pressed: boolean): void {
    this.buttons.get(action)?.setAttribute("aria-pressed", String(pressed));
  }
}

function towards(arrow: string): [number, number] {
  const across = { arrowleft: 40, arrowright: -40 }[arrow] ?? 0;
  const down = { arrowup: 40, arrowdown: -40 }[arrow] ?? 0;
  return [across, down];
}
