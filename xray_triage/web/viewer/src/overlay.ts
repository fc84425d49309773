/** What the reader found, over the film: heat map, outlines with names, lines of the ratio. Knows no pixels. */

import { onScreen, type Affine, type Point } from "./affine";
import type { Film, Outline } from "./film";
import { LABEL_HEIGHT, make, makeLabel, write } from "./svg";

/** A layer over one pane. The film's pixels are its inner coordinates; only the names keep their size. */
export class Overlay {
  readonly element = make("g");
  private readonly moving = this.element.appendChild(make("g"));
  private readonly heat = this.moving.appendChild(make("image", { preserveAspectRatio: "none" }));
  private readonly shapes = this.moving.appendChild(make("g"));
  private readonly names = this.element.appendChild(make("g"));
  private outlines: Outline[] = [];

  /** Take what belongs to `film`; null clears. */
  show(film: Film | null, columns: number, rows: number): void {
    this.outlines = film?.boxes.filter((each) => each.positive) ?? [];
    write(this.heat, { width: columns, height: rows });
    if (film?.heat) this.heat.setAttribute("href", film.heat);
    else this.heat.removeAttribute("href");
    this.shapes.replaceChildren(
      ...this.outlines.map(({ box: [x, y, width, height] }) => make("rect", { class: "box", x, y, width, height })),
      ...(film?.lines ?? []).map(([x1, y1, x2, y2]) => make("line", { class: "ratio", x1, y1, x2, y2 })),
    );
    for (const shape of this.shapes.children) write(shape, { "vector-effect": "non-scaling-stroke" });
    this.names.replaceChildren(...this.outlines.map(({ name }) => makeLabel(name, "finding")));
  }

  /** `opacity` is 0..1. */
  setHeat(shown: boolean, opacity: number): void {
    write(this.heat, { visibility: shown ? "visible" : "hidden", opacity });
  }

  setOutlines(shown: boolean): void {
    for (const group of [this.shapes, this.names]) write(group, { visibility: shown ? "visible" : "hidden" });
  }

  /** Follow the film to where it is now. */
  follow(film: Affine): void {
    const { a, b, c, d, e, f } = film;
    write(this.moving, { transform: `matrix(${a} ${b} ${c} ${d} ${e} ${f})` });
    const taken: Point[] = [];
    this.outlines.forEach(({ box }, index) => {
      const [left, corner] = leftmostTop(film, box);
      let top = Math.max(corner - LABEL_HEIGHT - 2, corner < 0 ? -Infinity : 2);
      while (taken.some((other) => Math.abs(other[0] - left) < 140 && Math.abs(other[1] - top) < LABEL_HEIGHT)) {
        top += LABEL_HEIGHT + 2;
      }
      taken.push([left, top]);
      write(this.names.children[index]!, { transform: `translate(${left} ${top})` });
    });
  }
}

function leftmostTop(film: Affine, [x, y, width, height]: Outline["box"]): Point {
  const [one, other] = [onScreen(film, [x, y]), onScreen(film, [x + width, y + height])];
  return [Math.min(one[0], other[0]), Math.min(one[1], other[1])];
}
