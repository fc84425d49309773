/** One film on the screen: Cornerstone's stack viewport, the layers over it, its words. Knows no toolbar. */

import { cache, Enums, type RenderingEngine, type Types } from "@cornerstonejs/core";
import { affineOf, onFilm, type Affine, type Point } from "./affine";
import { fetchFilm, type Delivery } from "./fetching";
import { addressOf, type Film } from "./film";
import { type Target } from "./gestures";
import { forget, graphicsOver, headerOf, prepare, rescaleOfShown } from "./image";
import { Measures, type Units } from "./measure";
import { Overlay } from "./overlay";
import { spacingOf } from "./spacing";
import { make } from "./svg";
import { presetOf, type Preset, type Range } from "./window";

const NOWHERE: Affine = { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 };
const SPAN_PX = 1000; // dragging this far crosses all the film's grays

/** The parts of a pane in the page (_viewer.html). */
function partsOf(root: HTMLElement) {
  const part = <Part extends HTMLElement>(role: string) => root.querySelector<Part>(`.${role}`)!;
  return {
    root,
    surface: part<HTMLDivElement>("surface"),
    title: part("title"),
    grays: part("grays"),
    coming: part("coming"),
    progress: part<HTMLProgressElement>("progress"),
    trouble: part("trouble"),
    picture: part<HTMLImageElement>("picture"),
  };
}

export class Pane implements Target {
  readonly overlay = new Overlay();
  readonly measures: Measures;
  readonly parts: ReturnType<typeof partsOf>;
  film?: Film;
  /** The whole film is in the pane, as nobody has moved it. */
  isWhole = true;
  /** Called whenever the film was moved by hand. */
  onMoved: () => void = () => undefined;
  private viewport!: Types.IStackViewport;
  private readonly layers = make("svg", { class: "layers", "aria-hidden": "true" });
  private affine = NOWHERE;
  private first: { range: Range; inverted: boolean } = { range: { lower: 0, upper: 1 }, inverted: false };
  private shades = 1;

  constructor(
    engine: RenderingEngine,
    root: HTMLElement,
    units: Units,
  ) {
    this.parts = partsOf(root);
    this.measures = new Measures(units);
    this.layers.append(this.overlay.element, this.measures.element);
    this.parts.surface.addEventListener(Enums.Events.IMAGE_RENDERED, () => this.follow());
    this.attach(engine);
  }

  /** Draw by another engine from now on; the film is as it was when it came. */
  async restart(engine: RenderingEngine): Promise<void> {
    const film = this.film;
    this.film = undefined;
    this.attach(engine);
    if (film) await this.show(film);
  }

  private attach(engine: RenderingEngine): void {
    const { root, surface } = this.parts;
    const name = root.dataset.pane!;
    engine.enableElement({ viewportId: name, element: surface, type: Enums.ViewportType.STACK });
    surface.removeAttribute("tabindex"); // the pane around it takes the focus
    surface.style.touchAction = ""; // the style sheet knows when a finger scrolls the page
    surface.append(this.layers);
    this.viewport = engine.getViewport(name) as Types.IStackViewport;
  }

  /** Show a film; resolves when it was drawn, or when the page says why it is not. True when it was drawn. */
  async show(film: Film, coming?: Delivery): Promise<boolean> {
    if (this.film === film) return true;
    this.film = film;
    const { root, title, coming: wait, progress, trouble } = this.parts;
    title.textContent = film.label;
    progress.value = 0;
    wait.hidden = false;
    trouble.hidden = true;
    root.classList.add("empty");
    const delivery = coming ?? fetchFilm(film, (share) => this.tellProgress(film, share));
    try {
      const imageId = await prepare(film.sop_instance_uid, delivery, film.negative);
      if (this.film !== film) return forget(imageId), false;
      await this.viewport.setStack([imageId]);
      forget(imageId);
      this.settle(film);
      await this.draw();
    } catch (error) {
      if (this.film === film) this.complain(film, error);
      return false;
    }
    root.classList.remove("empty");
    wait.hidden = true;
    return true;
  }

  /** How much of a film that is on its way has come, 0..1. */
  tellProgress(film: Film, share: number): void {
    if (this.film === film) this.parts.progress.value = share;
  }

  /** A film is on the screen. */
  get isShown(): boolean {
    return this.film !== undefined && !this.parts.root.classList.contains("empty");
  }

  get inverted(): boolean {
    return this.viewport.getProperties().invert !== this.first.inverted;
  }

  invert(): void {
    this.viewport.setProperties({ invert: !this.viewport.getProperties().invert });
    this.viewport.render();
  }

  /** The film's own window, or the part of it that shows lungs or bones. */
  preset(wanted: Preset): void {
    this.viewport.setProperties({ voiRange: presetOf(this.first.range, wanted, this.first.inverted) });
    this.viewport.render();
  }

  /** As it was when it came: grays, place, no lengths. */
  reset(): void {
    this.viewport.setProperties({ voiRange: this.first.range, invert: this.first.inverted });
    this.measures.clear(spacingOf(headerOf(this.viewport.getCurrentImageId())));
    this.fit();
  }

  fit(): void {
    this.viewport.resetCamera();
    this.isWhole = true;
    this.tellWhole();
    this.locate();
    this.viewport.render();
    this.onMoved();
  }

  pan(by: Point): void {
    const [from, to] = [this.viewport.canvasToWorld([0, 0]), this.viewport.canvasToWorld([by[0], by[1]])];
    this.shift([from[0] - to[0], from[1] - to[1], from[2] - to[2]]);
    this.moved();
  }

  zoom(factor: number, at: Point): void {
    const { parallelScale } = this.viewport.getCamera();
    const { height } = this.parts.surface.getBoundingClientRect();
    const rows = this.viewport.getImageData()?.dimensions[1];
    if (!parallelScale || !rows) return;
    const least = height / 2 / 20; // a pixel of the film is at most 20 of the screen
    const scale = Math.min(Math.max(parallelScale / factor, least), rows * 4);
    const point: Types.Point2 = [at[0], at[1]];
    const anchor = this.viewport.canvasToWorld(point);
    this.viewport.setCamera({ parallelScale: scale });
    const now = this.viewport.canvasToWorld(point);
    this.shift([anchor[0] - now[0], anchor[1] - now[1], anchor[2] - now[2]]);
    this.moved();
  }

  /** To the right: softer. Down: darker. As on other stations. */
  window(by: Point): void {
    const range = this.viewport.getProperties().voiRange;
    if (!range) return;
    const step = this.shades / SPAN_PX;
    const half = Math.max((range.upper - range.lower) / 2 + by[0] * step * 0.5, this.shades / 2000);
    const middle = (range.lower + range.upper) / 2 + by[1] * step * (this.first.inverted ? -1 : 1);
    this.viewport.setProperties({ voiRange: { lower: middle - half, upper: middle + half } });
    this.viewport.render();
  }

  measure(phase: "take" | "move" | "release", at: Point): void {
    this.measures[phase](this.affine, onFilm(this.affine, at));
  }

  /** Where the film is: its middle and height as shares of the film, so that another film can follow. */
  get place(): { middle: Point; share: number } {
    const [width, height] = this.size;
    const { clientWidth, clientHeight } = this.parts.surface;
    const middle = onFilm(this.affine, [clientWidth / 2, clientHeight / 2]);
    return { middle: [middle[0] / width, middle[1] / height], share: clientHeight / this.affine.d / height };
  }

  set place({ middle, share }: { middle: Point; share: number }) {
    const [width, height] = this.size;
    const { clientWidth, clientHeight } = this.parts.surface;
    this.isWhole = false;
    this.tellWhole();
    this.viewport.setCamera({ parallelScale: (share * height) / 2 });
    this.locate();
    const now = onFilm(this.affine, [clientWidth / 2, clientHeight / 2]);
    const spacing = this.viewport.getImageData()?.spacing[0] ?? 1;
    this.shift([(middle[0] * width - now[0]) * spacing, middle[1] * height - now[1], 0]);
    this.viewport.render();
  }

  private get size(): Point {
    const dimensions = this.viewport.getImageData()?.dimensions;
    return [dimensions?.[0] ?? 1, dimensions?.[1] ?? 1];
  }

  private draw(): Promise<unknown> {
    const drawn = new Promise((resolve) => {
      this.parts.surface.addEventListener(Enums.Events.IMAGE_RENDERED, resolve, { once: true });
    });
    this.viewport.render();
    return drawn;
  }

  private settle(film: Film): void {
    const image = cache.getImage(this.viewport.getCurrentImageId())!;
    if (rescaleOfShown(image.imageId).slope < 0 !== film.negative) this.viewport.setProperties({ invert: !image.invert });
    const { voiRange, invert } = this.viewport.getProperties();
    this.first = { range: voiRange ?? this.first.range, inverted: invert ?? false };
    this.shades = Math.max(1, image.maxPixelValue - image.minPixelValue);
    this.overlay.show(film, image.columns, image.rows, graphicsOver(image.imageId));
    this.measures.clear(spacingOf(headerOf(image.imageId)));
  }

  private complain(film: Film, error: unknown): void {
    console.warn("film", film.sop_instance_uid, error);
    const { coming, trouble, picture } = this.parts;
    coming.hidden = true;
    trouble.hidden = false;
    picture.hidden = true;
    picture.onload = () => (picture.hidden = false);
    picture.src = `${addressOf(film)}/rendered`; // the station's own decoders take what ours do not
  }

  private moved(): void {
    this.isWhole = false;
    this.tellWhole();
    this.locate();
    this.viewport.render();
    this.onMoved();
  }

  /** For the style sheet: a finger scrolls the page over a film that is whole. */
  private tellWhole(): void {
    this.parts.root.classList.toggle("moved", !this.isWhole);
  }

  private shift(by: readonly [number, number, number]): void {
    const { focalPoint, position } = this.viewport.getCamera();
    if (!focalPoint || !position) return;
    const moved = (point: Types.Point3): Types.Point3 => [point[0] + by[0], point[1] + by[1], point[2] + by[2]];
    this.viewport.setCamera({ focalPoint: moved(focalPoint), position: moved(position) });
  }

  private locate(): void {
    const spacing = this.viewport.getImageData()?.spacing ?? [1, 1, 1];
    const [columns, rows] = this.size;
    const on = (column: number, row: number): Point =>
      this.viewport.worldToCanvas([(column - 0.5) * spacing[0], (row - 0.5) * spacing[1], 0]);
    this.affine = affineOf(on(0, 0), on(columns, 0), on(0, rows), columns, rows);
  }

  private follow(): void {
    if (!this.viewport.getImageData()) return;
    this.locate();
    const { clientWidth, clientHeight } = this.parts.surface;
    this.overlay.follow(this.affine, [clientWidth, clientHeight]);
    this.measures.follow(this.affine);
    const { voiRange } = this.viewport.getProperties();
    if (!voiRange) return;
    const { slope, intercept } = rescaleOfShown(this.viewport.getCurrentImageId());
    const width = (voiRange.upper - voiRange.lower) * Math.abs(slope);
    const center = ((voiRange.upper + voiRange.lower) / 2) * slope + intercept;
    const tell = (gray: number) => (width < 10 ? gray.toFixed(2) : String(Math.round(gray)));
    this.parts.grays.textContent = `W ${tell(width)} L ${tell(center)} · ${Math.round(this.affine.d * 100)} %`;
  }
}
