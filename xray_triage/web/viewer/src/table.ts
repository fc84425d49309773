/** The findings beside the film: those of the film that is shown, each with its mark on it. Knows no pixels. */

import type { Point } from "./affine";
import type { Pane } from "./pane";

/** Ties the page's findings (_findings.html) to the first pane, in both directions. */
export class FindingsTable {
  constructor(private readonly pane: Pane) {
    for (const kind of ["pointerover", "focusin"]) document.addEventListener(kind, (event) => this.look(event.target));
    document.addEventListener("click", (event) => this.toggle(event.target));
    document.addEventListener("htmx:after:swap", () => this.refresh());
    pane.parts.surface.addEventListener("pointermove", (event) => {
      if (!event.buttons) this.light(pane.overlay.at(pointIn(pane.parts.surface, event)));
    });
    pane.parts.surface.addEventListener("pointerleave", () => this.light(undefined));
  }

  /** Show the findings of the pane's film alone, and which of them are marked on it. */
  refresh(): void {
    const uid = this.pane.film?.sop_instance_uid ?? "";
    for (const article of document.querySelectorAll<HTMLElement>("#findings [data-film]")) {
      article.toggleAttribute("data-chosen", article.dataset.film === uid);
    }
    document.getElementById("findings")?.toggleAttribute("data-chosen", Boolean(uid));
    for (const row of this.rows()) {
      const isShown = this.pane.overlay.shown.has(row.dataset.finding!);
      row.querySelector("button.mark")?.setAttribute("aria-pressed", String(isShown));
    }
  }

  private look(target: EventTarget | null): void {
    if (!(target instanceof Element) || this.pane.parts.surface.contains(target)) return;
    this.light(this.rowOf(target)?.dataset.finding);
  }

  private light(finding: string | undefined): void {
    this.pane.overlay.light(finding);
    for (const row of this.rows()) row.toggleAttribute("data-lit", row.dataset.finding === finding);
  }

  private toggle(target: EventTarget | null): void {
    const row = target instanceof Element && target.closest("button.mark") ? this.rowOf(target) : undefined;
    if (!row) return;
    const { overlay } = this.pane;
    if (!overlay.shown.delete(row.dataset.finding!)) overlay.shown.add(row.dataset.finding!);
    overlay.light(undefined); // what was put away goes at once
    overlay.refresh();
    this.refresh();
  }

  private rowOf(target: Element): HTMLElement | undefined {
    const row = target.closest<HTMLElement>("tr[data-finding]");
    return row && this.rows().includes(row) ? row : undefined;
  }

  private rows(): HTMLElement[] {
    return [...document.querySelectorAll<HTMLElement>("#findings [data-chosen] tr[data-finding]")];
  }
}

function pointIn(element: HTMLElement, event: PointerEvent): Point {
  const { left, top } = element.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
}
