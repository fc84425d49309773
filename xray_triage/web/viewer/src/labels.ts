/** Where the names of outlines stand: at a corner of their own, over no other name, over outlines only if they must. */

import type { Point } from "./affine";
import { LABEL_HEIGHT } from "./svg";

/** CSS pixels of the pane. */
export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

const GAP = 2;
const CORNER = { x: 0, width: 190, height: 28 }; // the pane's own words, at its upper and lower left

/** For each box the upper left corner of its name, which is `widths` wide; within a pane of `size` while its box is. */
export function placeLabels(boxes: Rect[], widths: number[], size: Point): Point[] {
  const taken: Rect[] = [
    { ...CORNER, y: 0 },
    { ...CORNER, y: size[1] - CORNER.height },
  ];
  return boxes.map((box, index) => {
    const costOf = (place: Rect) => boxes.reduce((sum, other) => sum + shared(place, other), 0);
    const isFree = (place: Rect) => taken.every((other) => shared(place, other) === 0);
    const places = cornersOf(box, widths[index]!, size);
    let [best] = places.filter(isFree).sort((one, other) => costOf(one) - costOf(other));
    for (best ??= places[0]!; !isFree(best); ) best = { ...best, y: best.y + LABEL_HEIGHT + GAP };
    taken.push(best);
    return [best.x, best.y];
  });
}

/** Above and below the box, at its left and its right; the earlier the better. */
function cornersOf(box: Rect, width: number, size: Point): Rect[] {
  const isSeen = shared(box, { x: 0, y: 0, width: size[0], height: size[1] }) > 0;
  const into = (value: number, most: number) => (isSeen ? Math.max(GAP, Math.min(value, most - GAP)) : value);
  const rows = [box.y - LABEL_HEIGHT - GAP, box.y + box.height + GAP];
  const columns = [box.x, box.x + box.width - width];
  return columns.flatMap((x) =>
    rows.map((y) => ({ x: into(x, size[0] - width), y: into(y, size[1] - LABEL_HEIGHT), width, height: LABEL_HEIGHT })),
  );
}

/** The area that two rectangles share. */
function shared(one: Rect, other: Rect): number {
  const across = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x);
  const down = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y);
  return Math.max(across, 0) * Math.max(down, 0);
}
