/** What mouse, pen and fingers do: one acts by the chosen mode, two zoom and pan, two taps fit. Knows no film. */

import { apart, type Point } from "./affine";

/** What the main button and one finger do; `scroll`: the page under a film that is whole, else the film. */
export type Mode = "window" | "pan" | "zoom" | "length" | "scroll";

/** What is acted upon. Points and distances are CSS pixels of the element. */
export interface Target {
  readonly isWhole: boolean;
  pan(by: Point): void;
  zoom(factor: number, at: Point): void;
  window(by: Point): void;
  fit(): void;
  measure(phase: "take" | "move" | "release", at: Point): void;
}

const BUTTONS: Record<number, Mode> = { 1: "pan", 2: "zoom" };
const TAP = { milliseconds: 350, reach: 12 }; // between two that belong together, from the first's down to the second's

/** Listen to `element` and act on `target`; `mode` tells what the main button does now. */
export function listen(element: HTMLElement, target: Target, mode: () => Mode): void {
  const pointers = new Map<number, Point>();
  let acting: Mode = "window";
  let tapped: { at: number; point: Point } | undefined; // since when nothing but taps in one place

  const pointOf = (event: MouseEvent): Point => {
    const { left, top } = element.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  const letGo = (event: PointerEvent) => {
    const last = pointers.get(event.pointerId);
    if (last && pointers.size === 1 && acting === "length") target.measure("release", last);
    pointers.delete(event.pointerId);
    if (pointers.size === 1) acting = "pan"; // the finger that stays after a pinch
  };
  const isSecondTap = (event: PointerEvent, point: Point): boolean => {
    const first = tapped;
    const isOne = event.button === 0 && pointers.size === 0 && mode() !== "length";
    tapped = isOne ? { at: event.timeStamp, point } : undefined;
    if (!first || !isOne || event.timeStamp - first.at > TAP.milliseconds || apart(first.point, point) > TAP.reach) return false;
    tapped = undefined;
    return true;
  };

  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    const at = pointOf(event);
    if (isSecondTap(event, at)) target.fit();
    if (pointers.size === 1 && acting === "length") target.measure("release", [...pointers.values()][0]!);
    pointers.set(event.pointerId, at);
    acting = pointers.size > 1 ? "zoom" : (BUTTONS[event.button] ?? mode());
    if (acting === "length") target.measure("take", at);
    if (event.button === 1) event.preventDefault(); // the browser's own scrolling
  });
  element.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const at = pointOf(event);
    if (tapped && apart(tapped.point, at) > TAP.reach) tapped = undefined;
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    pointers.set(event.pointerId, at);
    if (other) pinch(target, last, at, other);
    else act(target, acting, last, at);
  });
  element.addEventListener("pointerup", letGo);
  element.addEventListener("pointercancel", letGo);
  element.addEventListener("contextmenu", (event) => event.preventDefault());
  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      target.zoom(1.0015 ** -Math.max(-200, Math.min(200, event.deltaY)), pointOf(event));
    },
    { passive: false },
  );
}

function act(target: Target, mode: Mode, last: Point, at: Point): void {
  const by: Point = [at[0] - last[0], at[1] - last[1]];
  if (mode === "window") target.window(by);
  else if (mode === "pan" || (mode === "scroll" && !target.isWhole)) target.pan(by);
  else if (mode === "scroll") return;
  else if (mode === "zoom") target.zoom(1.006 ** -by[1], at);
  else target.measure("move", at);
}

function pinch(target: Target, last: Point, at: Point, other: Point): void {
  const distance = (point: Point) => Math.max(1, apart(point, other));
  target.pan([(at[0] - last[0]) / 2, (at[1] - last[1]) / 2]);
  target.zoom(distance(at) / distance(last), [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2]);
}
