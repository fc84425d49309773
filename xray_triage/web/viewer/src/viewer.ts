/** The viewer in the case page: its panes, what stands in the strip, when the first film was drawn. */

import { cache, Enums, eventTarget, init, RenderingEngine, setUseCPURendering } from "@cornerstonejs/core";
import type { Delivery } from "./fetching";
import { filmsIn, firstOf, type Film } from "./film";
import { listen } from "./gestures";
import { registerFilms } from "./image";
import type { Units } from "./measure";
import { Pane } from "./pane";
import { FindingsTable } from "./table";
import { Toolbar } from "./toolbar";

const CACHE_BYTES = 256 * 1024 * 1024;

/** Open the viewer in `root` (_viewer.html); `coming` is its first film, on its way to the `decoder`. */
export async function openViewer(root: HTMLElement, coming: Delivery, decoder: Worker): Promise<void> {
  init({
    rendering: { renderingEngineMode: Enums.RenderingEngineModeEnum.ContextPool, webGlContextCount: 1 },
  } as Parameters<typeof init>[0]);
  cache.setMaxCacheSize(CACHE_BYTES);
  registerFilms(decoder);
  const viewer = new Viewer(root);
  window.addEventListener("pagehide", () => viewer.close(), { once: true });
  window.addEventListener("pageshow", (event) => event.persisted && location.reload()); // came back without its films
  await viewer.open(coming);
}

class Viewer {
  private engine = new RenderingEngine("viewer");
  private readonly films: Film[];
  private readonly earlier: Film[];
  private readonly panes: Pane[] = [];
  private readonly toolbar: Toolbar;
  private readonly table: FindingsTable;

  constructor(private readonly root: HTMLElement) {
    this.films = filmsIn(root.dataset.films);
    this.earlier = filmsIn(root.dataset.earlier);
    this.panes.push(this.addPane("now"));
    this.table = new FindingsTable(this.panes[0]!);
    this.toolbar = new Toolbar(root, this.panes, (shown) => this.compare(shown));
    for (const entry of root.querySelectorAll<HTMLButtonElement>(".strip button")) {
      entry.addEventListener("click", () => void this.choose(entry));
    }
    eventTarget.addEventListener(Enums.Events.WEBGL_CONTEXT_LOST, () => setTimeout(() => void this.restart()));
    new ResizeObserver(() => this.resize()).observe(root.querySelector(".panes")!);
  }

  async open(coming: Delivery): Promise<void> {
    const pane = this.panes[0]!;
    const drawing = pane.show(firstOf(this.root)!, coming);
    this.table.refresh();
    const drawn = await drawing;
    this.refresh();
    if (document.activeElement === document.body) pane.parts.root.focus({ preventScroll: true, focusVisible: false });
    requestAnimationFrame(() => {
      if (drawn) document.documentElement.dataset.filmDrawn = String(Math.round(performance.now()));
      document.dispatchEvent(new Event("settled")); // static/live.js waits for it
    });
  }

  close(): void {
    this.engine.destroy();
    cache.purgeCache();
  }

  /** The graphics card gave up: the processor draws. */
  private async restart(): Promise<void> {
    setUseCPURendering(true);
    this.engine.destroy();
    this.engine = new RenderingEngine("viewer without GPU");
    for (const pane of this.panes) await pane.restart(this.engine);
    this.toolbar.refresh();
  }

  private addPane(name: string): Pane {
    const root = this.root.querySelector<HTMLElement>(`.pane[data-pane="${name}"]`)!;
    const pane = new Pane(this.engine, root, JSON.parse(this.root.dataset.units!) as Units);
    listen(pane.parts.surface, pane, () => this.toolbar.mode);
    pane.onMoved = () => this.toolbar.moved(pane);
    return pane;
  }

  /** Films that nobody moved fill their panes again. */
  private resize(): void {
    this.engine.resize(true, true);
    for (const pane of this.panes) if (pane.isShown && pane.isWhole) pane.fit();
  }

  /** Put the patient's earlier film beside this one, or put it away. */
  private async compare(shown: boolean): Promise<void> {
    const other = this.root.querySelector<HTMLElement>('.pane[data-pane="earlier"]');
    if (!other) return;
    other.hidden = !shown;
    this.root.classList.toggle("side-by-side", shown);
    this.resize();
    if (!shown) return;
    if (this.panes.length === 1) this.panes.push(this.addPane("earlier"));
    await this.panes[1]!.show(this.panes[1]!.film ?? this.earlier[0]!);
    this.toolbar.refresh();
  }

  /** Show the film of an entry of the strip: an earlier one beside, one of this case in the first pane. */
  private async choose(entry: HTMLButtonElement): Promise<void> {
    const earlier = entry.dataset.of === "earlier";
    const film = (earlier ? this.earlier : this.films)[Number(entry.dataset.index)];
    if (!film) return;
    if (earlier) await this.toolbar.setCompared(true);
    for (const each of this.root.querySelectorAll(`.strip button[data-of="${entry.dataset.of}"]`)) {
      each.setAttribute("aria-pressed", String(each === entry));
    }
    const drawing = this.panes[earlier ? 1 : 0]!.show(film);
    this.table.refresh();
    await drawing;
    this.refresh();
  }

  private refresh(): void {
    this.toolbar.refresh();
    this.table.refresh();
  }
}
