/** Lengths drawn on a film: lines between two points with their length in words. Knows no pixels. */

import { apart, onScreen, type Affine, type Point } from "./affine";
import type { Plane, Spacing } from "./spacing";
import { make, makeLabel, withHalo, write } from "./svg";

const REACH_PX = 14;

/** A unit's words for each plane in which a length may hold. */
export type Units = Record<Plane, string>;

interface Length {
  ends: [Point, Point]; // in pixels of the film
  drawn: SVGGElement;
}

/** A layer over one pane. Lengths stay with the film they were drawn on, until it is put away. */
export class Measures {
  readonly element = make("g");
  private lengths: Length[] = [];
  private held?: { length: Length; end: 0 | 1 };
  private spacing: Spacing = { row: 1, column: 1, plane: "unknown" };

  constructor(private readonly units: Units) {}

  /** Forget all lengths; those to come hold by `spacing`. */
  clear(spacing: Spacing): void {
    this.spacing = spacing;
    this.lengths = [];
    this.held = undefined;
    this.element.replaceChildren();
  }

  /** Take the end that lies at a point of the film, or begin a new length there. */
  take(film: Affine, point: Point): void {
    for (const length of this.lengths) {
      for (const end of [0, 1] as const) {
        if (apart(onScreen(film, length.ends[end]), onScreen(film, point)) > REACH_PX) continue;
        this.held = { length, end };
        return;
      }
    }
    const length: Length = { ends: [point, point], drawn: this.element.appendChild(make("g")) };
    this.lengths.push(length);
    this.held = { length, end: 1 };
  }

  /** Move the end that is held to a point of the film. */
  move(film: Affine, point: Point): void {
    if (!this.held) return;
    this.held.length.ends[this.held.end] = point;
    this.draw(film, this.held.length);
  }

  /** Let go; a line with no length was a mere click. */
  release(film: Affine): void {
    const length = this.held?.length;
    this.held = undefined;
    if (length && apart(onScreen(film, length.ends[0]), onScreen(film, length.ends[1])) < 3) this.remove(length);
  }

  /** Remove the length that was drawn last. */
  removeLast(): void {
    const last = this.lengths.at(-1);
    if (last) this.remove(last);
  }

  follow(film: Affine): void {
    for (const length of this.lengths) this.draw(film, length);
  }

  private remove(length: Length): void {
    this.lengths = this.lengths.filter((each) => each !== length);
    length.drawn.remove();
  }

  private draw(film: Affine, { ends, drawn }: Length): void {
    const [from, to] = [onScreen(film, ends[0]), onScreen(film, ends[1])];
    const label = makeLabel(this.wordsOf(ends), "length");
    const right = from[0] > to[0] ? from : to;
    write(label, { transform: `translate(${right[0] + 10} ${right[1] - 9})` });
    drawn.replaceChildren(
      ...withHalo([make("line", { class: "length", x1: from[0], y1: from[1], x2: to[0], y2: to[1] })]),
      ...[from, to].map(([cx, cy]) => make("circle", { class: "end", cx, cy, r: 4 })),
      label,
    );
  }

  private wordsOf([from, to]: [Point, Point]): string {
    const { row, column, plane } = this.spacing;
    const length = Math.hypot((to[0] - from[0]) * column, (to[1] - from[1]) * row);
    const digits = plane === "unknown" ? 0 : 1;
    const number = length.toLocaleString(document.documentElement.lang, {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    });
    return `${number} ${this.units[plane]}`;
  }
}
