/** What a film's stored values mean: unused bits, rescale, look-up tables, raw detector values. PS3.3 C.11. */

import { itemOf, numberOf, numbersOf, TAG, textOf, wordsOf, type Header } from "./header";

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

/** Overlays and rubbish may sit in the bits beside the stored ones of a native film (PS3.5 8.1.1); `most` is its largest value. */
export function withoutUnusedBits(header: Header, pixels: Pixels, most: number): Pixels | undefined {
  const stored = numberOf(header, TAG.bitsStored) ?? 16;
  const below = (numberOf(header, TAG.highBit) ?? stored - 1) + 1 - stored;
  const mask = 2 ** stored - 1;
  if (numberOf(header, TAG.pixelRepresentation) || stored > 16 || below < 0) return undefined;
  if (below === 0 && most <= mask) return undefined;
  return pixels.map((value) => (value >> below) & mask);
}

/** Send `pixels` through the first table of a LUT sequence, clamped at its ends (PS3.3 C.11.1.1.1). */
export function lookUp(header: Header, tag: string, pixels: Pixels, { slope, intercept }: Rescale): Uint16Array | undefined {
  const item = itemOf(header, tag);
  const descriptor = item ? numbersOf(item, TAG.lutDescriptor) : [];
  const entries = item ? wordsOf(item, TAG.lutData) : [];
  const count = descriptor[0] || 65536;
  if (!item || descriptor.length < 3 || entries.length < count) return undefined;
  let first = descriptor[1]!;
  if (first > 32767 && numberOf(header, TAG.pixelRepresentation) === 1) first -= 65536;
  const mapped = new Uint16Array(pixels.length);
  for (let at = 0; at < pixels.length; at++) {
    const index = Math.round(pixels[at]! * slope + intercept - first);
    mapped[at] = entries[index < 0 ? 0 : index < count ? index : count - 1]!;
  }
  return mapped;
}

/** A detector's raw intensity falls exponentially with thickness: its logarithm, over all of 16 bits. */
export function logarithmOf(header: Header, pixels: Pixels): Uint16Array | undefined {
  const raw = textOf(header, TAG.sopClass) === FOR_PROCESSING;
  if (!raw || textOf(header, TAG.intensityRelationship) !== "LIN") return undefined;
  const [least, most] = rangeOf(pixels);
  const full = 65535 / Math.max(Math.log1p(most - least), 1e-6);
  return Uint16Array.from(pixels, (value) => Math.log1p(value - least) * full);
}

export function rangeOf(pixels: Pixels): [number, number] {
  let [least, most] = [Infinity, -Infinity];
  for (const value of pixels) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return [least, most];
}
