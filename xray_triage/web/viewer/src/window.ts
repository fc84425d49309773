/** Which grays a film is first shown in: its own look-up tables, its window, or its percentiles. PS3.3 C.11. */

import { itemOf, numbersOf, wordsOf, TAG, type Header } from "./header";

export type Pixels = Uint8Array | Int8Array | Uint16Array | Int16Array | Float32Array;
export interface Range {
  lower: number;
  upper: number;
}

const PERCENTILES = [0.5, 99.5] as const; // as the reader's own auto window
const SAMPLES = 100_000;

/** Send `pixels` through the first table of a LUT sequence, clamped at its ends (PS3.3 C.11.1.1.1). */
export function lookUp(header: Header, tag: string, pixels: Pixels): Uint16Array | undefined {
  const item = itemOf(header, tag);
  const descriptor = item ? numbersOf(item, TAG.lutDescriptor) : [];
  const entries = item ? wordsOf(item, TAG.lutData) : [];
  const count = descriptor[0] || 65536;
  if (!item || descriptor.length < 3 || entries.length < count) return undefined;
  let first = descriptor[1]!;
  if (first > 32767 && numbersOf(header, TAG.pixelRepresentation)[0] === 1) first -= 65536;
  const mapped = new Uint16Array(pixels.length);
  for (let at = 0; at < pixels.length; at++) {
    const index = Math.round(pixels[at]! - first);
    mapped[at] = entries[index < 0 ? 0 : index < count ? index : count - 1]!;
  }
  return mapped;
}

/** The film's own window as values that become black and white, unless it hides most of the film. */
export function windowOf(header: Header, pixels: Pixels, exact: boolean): Range | undefined {
  const center = numbersOf(header, TAG.windowCenter)[0];
  const width = numbersOf(header, TAG.windowWidth)[0];
  if (center === undefined || width === undefined || width < 1) return undefined;
  const range = exact
    ? { lower: center - width / 2, upper: center + width / 2 }
    : { lower: center - 0.5 - (width - 1) / 2, upper: center - 0.5 + (width - 1) / 2 };
  return hides(range, pixels) ? undefined : range;
}

/** The window that shows all but the outermost percentiles. */
export function percentilesOf(pixels: Pixels): Range {
  const sample = sampleOf(pixels).sort();
  const at = (percent: number) => sample[Math.round(((sample.length - 1) * percent) / 100)] ?? 0;
  const [lower, upper] = [at(PERCENTILES[0]), at(PERCENTILES[1])];
  return upper > lower ? { lower, upper } : { lower, upper: lower + 1 };
}

function hides({ lower, upper }: Range, pixels: Pixels): boolean {
  const sample = sampleOf(pixels);
  const lost = sample.reduce((sum, value) => sum + (value <= lower || value >= upper ? 1 : 0), 0);
  return lost > sample.length * 0.6;
}

function sampleOf(pixels: Pixels): Float32Array {
  const step = Math.max(1, Math.floor(pixels.length / SAMPLES)) | 1; // odd, so as not to run down columns
  return Float32Array.from({ length: Math.ceil(pixels.length / step) }, (_, at) => pixels[at * step]!);
}
