/** What the reader found, over the film: heat map, outlines with names, widths of the heart. Knows no pixels. */

import { onScreen, type Affine, type Point } from "./affine";
import type { Film, Mark } from "./film";
import { placeLabels, type Rect } from "./labels";
import { make, makeLabel, withHalo, write } from "./svg";

/** One mark as it is drawn. `labels` belong to `rects`, in pixels of the film. */
interface Drawn {
  mark: Mark;
  shapes: SVGGElement;
  labels: SVGGElement[];
  rects: Mark["box"][];
}

/** A layer over one pane. The film's pixels are its inner coordinates; only the names keep their size. */
export class Overlay {
  readonly element = make("g");
  /** The findings whose marks are shown. */
  readonly shown = new Set<string>();
  private readonly moving = this.element.appendChild(make("g"));
  private readonly heat = this.moving.appendChild(make("image", { preserveAspectRatio: "none" }));
  private readonly machine = this.moving.appendChild(make("image", { preserveAspectRatio: "none" }));
  private readonly shapes = this.moving.appendChild(make("g"));
  private readonly names = this.element.appendChild(make("g"));
  private drawn: Drawn[] = [];
  private lit?: string; // the finding that is looked at just now
  private isOn = true;
  private place?: { film: Affine; size: Point };

  /** `graphics`: a picture of what the machine itself drew over the film. */
  show(film: Film, columns: number, rows: number, graphics: string | undefined): void {
    write(this.machine, { width: columns, height: rows, class: "machine" });
    if (graphics) this.machine.setAttribute("href", graphics);
    else this.machine.removeAttribute("href");
    write(this.heat, { width: columns, height: rows });
    if (film.heat) this.heat.setAttribute("href", film.heat);
    else this.heat.removeAttribute("href");
    this.drawn = film.marks.map(draw);
    this.shapes.replaceChildren(...this.drawn.map((one) => one.shapes));
    this.names.replaceChildren(...this.drawn.flatMap((one) => one.labels));
    this.shown.clear();
    for (const mark of film.marks) if (mark.shown) this.shown.add(mark.finding);
    this.lit = undefined;
    this.refresh();
  }

  /** `opacity` is 0..1. */
  setHeat(shown: boolean, opacity: number): void {
    write(this.heat, { visibility: shown ? "visible" : "hidden", opacity });
  }

  setOutlines(shown: boolean): void {
    this.isOn = shown;
    this.refresh();
  }

  /** Show a finding's mark brightly and dim the others; none: all as they were. */
  light(finding: string | undefined): void {
    if (this.lit === finding) return;
    this.lit = finding;
    this.refresh();
  }

  /** The finding at a point of the pane: of several the smallest. */
  at([x, y]: Point): string | undefined {
    const film = this.place?.film;
    if (!film || !this.isOn) return undefined;
    const areas = this.drawn.filter((one) => this.shown.has(one.mark.finding) && one.mark.box);
    const hit = areas
      .map((one) => ({ finding: one.mark.finding, rect: rectOf(film, one.mark.box!) }))
      .filter(({ rect }) => x >= rect.x && x <= rect.x + rect.width && y >= rect.y && y <= rect.y + rect.height);
    return hit.sort((one, other) => one.rect.width * one.rect.height - other.rect.width * other.rect.height)[0]?.finding;
  }

  /** Follow the film to where it is now, in a pane of `size`. */
  follow(film: Affine, size: Point): void {
    const { a, b, c, d, e, f } = film;
    write(this.moving, { transform: `matrix(${a} ${b} ${c} ${d} ${e} ${f})` });
    this.place = { film, size };
    this.placeNames();
  }

  /** Put every mark in the state that was asked for. */
  refresh(): void {
    for (const { mark, shapes, labels } of this.drawn) {
      const isLit = this.lit === mark.finding;
      const visibility = (this.isOn && this.shown.has(mark.finding)) || isLit ? "visible" : "hidden";
      const opacity = this.lit === undefined || isLit ? 1 : 0.3;
      for (const part of [shapes, ...labels]) write(part, { visibility, opacity });
    }
    this.placeNames();
  }

  private placeNames(): void {
    if (!this.place) return;
    const { film, size } = this.place;
    const seen = this.drawn.filter((one) => one.shapes.getAttribute("visibility") === "visible");
    const labels = seen.flatMap((one) => one.labels);
    const rects = seen.flatMap((one) => one.rects).map((rect) => rectOf(film, rect!));
    const widths = labels.map((label) => Number(label.firstElementChild!.getAttribute("width")));
    placeLabels(rects, widths, size).forEach(([x, y], index) => {
      write(labels[index]!, { transform: `translate(${x} ${y})` });
    });
  }
}

function draw(mark: Mark): Drawn {
  const { box, lines, colour: stroke, label } = mark;
  const shapes: SVGElement[] = [
    ...(box ? [make("rect", { class: "box", x: box[0], y: box[1], width: box[2], height: box[3], stroke })] : []),
    ...lines.map(({ ends: [x1, y1, x2, y2] }) => make("line", { class: "ratio", x1, y1, x2, y2, stroke })),
  ];
  for (const shape of shapes) write(shape, { "vector-effect": "non-scaling-stroke" });
  const drawn = make("g", { "data-finding": mark.finding });
  drawn.append(...withHalo(shapes));
  const labels = [...(box ? [label] : []), ...lines.map((line) => line.label)].map((words) => makeLabel(words, "finding"));
  for (const each of labels) write(each.lastElementChild!, { fill: stroke });
  const rects: Mark["box"][] = [
    ...(box ? [box] : []),
    ...lines.map(({ ends: [x1, y1, x2, y2] }): Mark["box"] => [x1, Math.min(y1, y2), x2 - x1, Math.abs(y2 - y1)]),
  ];
  return { mark, shapes: drawn, labels, rects };
}

function rectOf(film: Affine, [x, y, width, height]: NonNullable<Mark["box"]>): Rect {
  const [one, other] = [onScreen(film, [x, y]), onScreen(film, [x + width, y + height])];
  return { x: one[0], y: one[1], width: other[0] - one[0], height: other[1] - one[1] };
}
