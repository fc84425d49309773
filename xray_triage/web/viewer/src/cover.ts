/** What of a film's pixels is no film: declared padding, what a shutter hides. PS3.3 C.7.5.1.1.2, C.7.6.11; cover.py. */

import { numberOf, numbersOf, TAG, textsOf, type Header } from "./header";
import { spacingOf } from "./spacing";
import type { Pixels } from "./values";

const LEAST_FILM = 0.05; // of the pixels: a header that hides more is wrong
type Hides = (row: number, column: number) => boolean; // counted from 1, as the header counts

/** 1 where there is no film; undefined where the header says of none. `words` still have their unused bits. */
export function coveredIn(header: Header, words: Pixels, stored: Pixels): Uint8Array | undefined {
  const columns = numberOf(header, TAG.columns) ?? 1;
  const covered = new Uint8Array(stored.length);
  for (const part of [paddingIn(header, words, stored), ...shuttersOf(header).map((hides) => behind(hides, stored.length, columns))]) {
    if (part && isSound(part)) part.forEach((hidden, at) => hidden && (covered[at] = 1));
  }
  return covered.includes(1) && isSound(covered) ? covered : undefined;
}

/** The pixels that are film. */
export function filmIn(pixels: Pixels, covered: Uint8Array | undefined): Pixels {
  return covered ? pixels.filter((_, at) => !covered[at]) : pixels;
}

function isSound(part: Uint8Array): boolean {
  return part.reduce((sum, hidden) => sum + hidden, 0) <= part.length * (1 - LEAST_FILM);
}

function paddingIn(header: Header, words: Pixels, stored: Pixels): Uint8Array | undefined {
  const value = numberOf(header, TAG.pixelPaddingValue);
  if (value === undefined) return undefined;
  const ends = [value, numberOf(header, TAG.pixelPaddingRangeLimit) ?? value].map((end) => signed(header, end));
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const bits = numberOf(header, TAG.bitsStored) ?? 16;
  const [least, most] = isSigned(header) ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  const looked = low >= least && high <= most ? stored : words;
  return Uint8Array.from(looked, (pixel) => (pixel >= low && pixel <= high ? 1 : 0));
}

function isSigned(header: Header): boolean {
  return numberOf(header, TAG.pixelRepresentation) === 1;
}

/** A value in the sign of the pixels, whatever VR it came in. */
function signed(header: Header, value: number): number {
  const span = 2 ** (numberOf(header, TAG.bitsAllocated) ?? 16);
  const positive = ((value % span) + span) % span;
  return isSigned(header) && positive >= span / 2 ? positive - span : positive;
}

function behind(hides: Hides, length: number, columns: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (hides(Math.floor(at / columns) + 1, (at % columns) + 1) ? 1 : 0));
}

function shuttersOf(header: Header): Hides[] {
  const makers: Record<string, (header: Header) => Hides | undefined> = { RECTANGULAR: beside, CIRCULAR: around, POLYGONAL: outside };
  return textsOf(header, TAG.shutterShape).flatMap((shape) => makers[shape]?.(header) ?? []);
}

function beside(header: Header): Hides | undefined {
  const tags = [TAG.shutterLeft, TAG.shutterRight, TAG.shutterUpper, TAG.shutterLower];
  const [left, right, upper, lower] = tags.map((tag) => numberOf(header, tag) ?? NaN) as [number, number, number, number];
  if (!(left < right && upper < lower)) return undefined;
  return (row, column) => column < left || column > right || row < upper || row > lower;
}

/** The radius counts columns; where pixels are not square it is an ellipse of pixels. */
function around(header: Header): Hides | undefined {
  const [row, column] = numbersOf(header, TAG.shutterCentre);
  const radius = numberOf(header, TAG.shutterRadius) ?? 0;
  if (row === undefined || column === undefined || radius <= 0) return undefined;
  const spacing = spacingOf(header);
  const aspect = spacing.row / spacing.column;
  return (y, x) => Math.hypot((y - row) * aspect, x - column) > radius;
}

function outside(header: Header): Hides | undefined {
  const numbers = numbersOf(header, TAG.shutterVertices);
  if (numbers.length < 6 || numbers.length % 2) return undefined;
  const corners = Array.from({ length: numbers.length / 2 }, (_, at) => [numbers[2 * at]!, numbers[2 * at + 1]!] as const);
  return (row, column) => {
    let inside = false; // by how often a line to the left crosses an edge
    corners.forEach(([y, x], at) => {
      const [before, beforeX] = corners.at(at - 1)!;
      if (y > row !== before > row && column < x + ((row - y) * (beforeX - x)) / (before - y)) inside = !inside;
    });
    return !inside;
  };
}
