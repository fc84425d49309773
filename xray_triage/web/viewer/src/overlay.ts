/** What the reader found, over the film: heat map, outlines with names, lines of the ratio. Knows no pixels. */

import { onScreen, type Affine, type Point } from "./affine";
import type { Film, Outline } from "./film";
import { placeLabels, type Rect } from "./labels";
import { make, makeLabel, withHalo, write } from "./svg";

/** A layer over one pane. The film's pixels are its inner coordinates; only the names keep their size. */
export class Overlay {
  readonly element = make("g");
  private readonly moving = this.element.appendChild(make("g"));
  private readonly heat = this.moving.appendChild(make("image", { preserveAspectRatio: "none" }));
  private readonly machine = this.moving.appendChild(make("image", { preserveAspectRatio: "none" }));
  private readonly shapes = this.moving.appendChild(make("g"));
  private readonly names = this.element.appendChild(make("g"));
  private outlines: Outline[] = [];
  private widths: number[] = []; // of the names

  /** `graphics`: a picture of what the machine itself drew over the film. */
  show(film: Film, columns: number, rows: number, graphics: string | undefined): void {
    this.outlines = film.boxes;
    write(this.machine, { width: columns, height: rows, class: "machine" });
    if (graphics) this.machine.setAttribute("href", graphics);
    else this.machine.removeAttribute("href");
    write(this.heat, { width: columns, height: rows });
    if (film.heat) this.heat.setAttribute("href", film.heat);
    else this.heat.removeAttribute("href");
    const shapes = [
      ...this.outlines.map(({ box: [x, y, width, height] }) => make("rect", { class: "box", x, y, width, height })),
      ...film.lines.map(([x1, y1, x2, y2]) => make("line", { class: "ratio", x1, y1, x2, y2 })),
    ];
    for (const shape of shapes) write(shape, { "vector-effect": "non-scaling-stroke" });
    this.shapes.replaceChildren(...withHalo(shapes));
    const labels = this.outlines.map(({ name }) => makeLabel(name, "finding"));
    this.widths = labels.map((label) => Number(label.firstElementChild!.getAttribute("width")));
    this.names.replaceChildren(...labels);
  }

  /** `opacity` is 0..1. */
  setHeat(shown: boolean, opacity: number): void {
    write(this.heat, { visibility: shown ? "visible" : "hidden", opacity });
  }

  setOutlines(shown: boolean): void {
    for (const group of [this.shapes, this.names]) write(group, { visibility: shown ? "visible" : "hidden" });
  }

  /** Follow the film to where it is now, in a pane of `size`. */
  follow(film: Affine, size: Point): void {
    const { a, b, c, d, e, f } = film;
    write(this.moving, { transform: `matrix(${a} ${b} ${c} ${d} ${e} ${f})` });
    const boxes = this.outlines.map(({ box }) => rectOf(film, box));
    placeLabels(boxes, this.widths, size).forEach(([x, y], index) => {
      write(this.names.children[index]!, { transform: `translate(${x} ${y})` });
    });
  }
}

function rectOf(film: Affine, [x, y, width, height]: Outline["box"]): Rect {
  const [one, other] = [onScreen(film, [x, y]), onScreen(film, [x + width, y + height])];
  return { x: one[0], y: one[1], width: other[0] - one[0], height: other[1] - one[1] };
}
