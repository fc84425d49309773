/** The graphics that a machine laid over its film: overlay planes 60xx as a picture of dots. PS3.3 C.9.2; overlays.py. */

import { bytesOf, numberOf, numbersOf, TAG, textOf, type Header } from "./header";
import type { Pixels } from "./values";

/** A PNG over the whole film, white dots with a dark edge on nothing; undefined where there are none. */
export function graphicsOf(header: Header, words: Pixels): string | undefined {
  const [rows, columns] = [numberOf(header, TAG.rows) ?? 0, numberOf(header, TAG.columns) ?? 0];
  const dots = new Uint8Array(rows * columns);
  for (let group = 0x6000; group < 0x6020; group += 2) {
    const at = (element: string) => group.toString(16) + element;
    if (textOf(header, at("0040")) === "G") lay(header, at, words, dots, columns);
  }
  return dots.includes(1) ? drawn(dots, rows, columns) : undefined;
}

function lay(header: Header, at: (element: string) => string, words: Pixels, dots: Uint8Array, columns: number): void {
  const bytes = bytesOf(header, at("3000"));
  if (!bytes.length) return layOwnBits(header, at, words, dots);
  const [height, width] = [numberOf(header, at("0010")) ?? 0, numberOf(header, at("0011")) ?? 0];
  const [top, left] = numbersOf(header, at("0050"));
  if (height * width > bytes.length * 8) return;
  for (let place = 0; place < height * width; place++) {
    if (!((bytes[place >> 3]! >> (place & 7)) & 1)) continue;
    const [row, column] = [Math.floor(place / width) + (top ?? 1) - 1, (place % width) + (left ?? 1) - 1];
    if (row >= 0 && column >= 0 && column < columns && row * columns < dots.length) dots[row * columns + column] = 1;
  }
}

/** One bit of each word, beside the stored ones. */
function layOwnBits(header: Header, at: (element: string) => string, words: Pixels, dots: Uint8Array): void {
  const bit = numberOf(header, at("0102")) ?? 0;
  const stored = numberOf(header, TAG.bitsStored) ?? 16;
  const high = numberOf(header, TAG.highBit) ?? stored - 1;
  if ((numberOf(header, at("0100")) ?? 1) < 2 || (bit > high - stored && bit <= high)) return;
  words.forEach((word, place) => (word >> bit) & 1 && (dots[place] = 1));
}

function drawn(dots: Uint8Array, rows: number, columns: number): string | undefined {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [columns, rows];
  const context = canvas.getContext("2d");
  if (!context) return undefined;
  const picture = context.createImageData(columns, rows);
  const shades = new Uint32Array(picture.data.buffer);
  dots.forEach((dot, at) => dot && at + columns + 1 < shades.length && (shades[at + columns + 1] = 0xff000000));
  dots.forEach((dot, at) => dot && (shades[at] = 0xffffffff));
  context.putImageData(picture, 0, 0);
  return canvas.toDataURL();
}
