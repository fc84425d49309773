/** What a film's stored values mean: unused bits, rescale, look-up tables, raw detector values. PS3.3 C.11. */

import { itemsOf, numberOf, numbersOf, TAG, textOf, wordsOf, type Header } from "./header";

export type Pixels = Uint8Array | Int8Array | Uint16Array | Int16Array | Float32Array;

/** From pixel values to those that windows and tables are told in: value × slope + intercept. */
export interface Rescale {
  slope: number;
  intercept: number;
}

export const NO_RESCALE: Rescale = { slope: 1, intercept: 0 };
const FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1";

export function rescaleOf(header: Header): Rescale {
  return {
    slope: numberOf(header, TAG.rescaleSlope) || 1,
    intercept: numberOf(header, TAG.rescaleIntercept) ?? 0,
  };
}

/** Overlays and rubbish may sit in the bits beside the stored ones (PS3.5 8.1.1); `most` is the largest value. */
export function withoutUnusedBits(header: Header, pixels: Pixels, most: number, native: boolean): Pixels | undefined {
  const stored = numberOf(header, TAG.bitsStored) ?? 16;
  const below = (numberOf(header, TAG.highBit) ?? stored - 1) + 1 - stored;
  const mask = 2 ** stored - 1;
  if (numberOf(header, TAG.pixelRepresentation) || stored > 16 || below < 0) return undefined;
  if ((below === 0 || !native) && most <= mask) return undefined;
  return pixels.map((value) => (value >> below) & mask);
}

interface Table {
  first: number; // the value that the first entry stands for
  entries: number[];
}

const MOST_MISSING = 0.01; // of the entries a descriptor promises: the last one stands for them

/** The first usable table of a LUT sequence, by the reader's rules (luts.py). */
function tableOf(header: Header, tag: string): Table | undefined {
  for (const item of itemsOf(header, tag)) {
    const descriptor = numbersOf(item, TAG.lutDescriptor);
    const count = (descriptor[0] ?? 0) & 0xffff || 65536;
    let entries = wordsOf(item, TAG.lutData);
    if (descriptor.length !== 3 || count < 2 || !entries.length) continue;
    if (entries.length === (count + 1) >> 1) entries = entries.flatMap((word) => [word & 0xff, word >> 8]);
    if (count - entries.length > MOST_MISSING * count || entries.every((entry) => entry === entries[0])) continue;
    const first = descriptor[1]!;
    const below = first > 32767 && numberOf(header, TAG.pixelRepresentation) === 1 ? 65536 : 0;
    return { first: first - below, entries: entries.slice(0, count) };
  }
  return undefined;
}

/** Send `pixels` through the first table of a LUT sequence, clamped at its ends (PS3.3 C.11.1.1.1). */
export function lookUp(header: Header, tag: string, pixels: Pixels, { slope, intercept }: Rescale): Uint16Array | undefined {
  const table = tableOf(header, tag);
  if (!table) return undefined;
  const { first, entries } = table;
  const count = entries.length;
  const mapped = new Uint16Array(pixels.length);
  for (let at = 0; at < pixels.length; at++) {
    const index = Math.round(pixels[at]! * slope + intercept - first);
    mapped[at] = entries[index < 0 ? 0 : index < count ? index : count - 1]!;
  }
  const [least, most] = rangeOf(mapped);
  return most > least ? mapped : undefined;
}

/** A detector's raw intensity falls exponentially with thickness: its logarithm, over all of 16 bits. */
export function logarithmOf(header: Header, pixels: Pixels, film: Pixels): Uint16Array | undefined {
  const raw = textOf(header, TAG.sopClass) === FOR_PROCESSING;
  if (!raw || textOf(header, TAG.intensityRelationship) !== "LIN") return undefined;
  const [least, most] = rangeOf(film);
  const full = 65535 / Math.max(Math.log1p(most - least), 1e-6);
  return Uint16Array.from(pixels, (value) => Math.log1p(Math.max(value - least, 0)) * full);
}

export function rangeOf(pixels: Pixels): [number, number] {
  let [least, most] = [Infinity, -Infinity];
  for (const value of pixels) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return [least, most];
}
