/** Which grays a film is first shown in: its own look-up table, its window, or its percentiles. PS3.3 C.11. */

import { numberOf, TAG, textOf, textsOf, type Header } from "./header";
import type { Pixels, Rescale } from "./values";

/** The pixel values that are shown black and white. */
export interface Range {
  lower: number;
  upper: number;
}

/** Windows that are a key away: the part of the film's own that each shows, darkest 0 to brightest 1. */
export const PRESETS = { automatic: [0, 1], lung: [0, 0.6], bone: [0.3, 1] } as const;
export type Preset = keyof typeof PRESETS;

const PERCENTILES = [0.5, 99.5] as const; // as the reader's own auto window
const LARGEST = 1e9;
const SAMPLES = 20_000;

export function isSigmoid(header: Header): boolean {
  return textOf(header, TAG.voiLutFunction) === "SIGMOID";
}

/** The film's own window in pixel values, unless it hides most of the film. */
export function windowOf(header: Header, pixels: Pixels, { slope, intercept }: Rescale): Range | undefined {
  const exact = textOf(header, TAG.voiLutFunction).replace("_", " ") === "LINEAR EXACT";
  const told = pairOf(header, exact || isSigmoid(header) ? 1e-6 : 1) ?? (isPlain(header) ? [128, 256] : undefined);
  if (!told) return undefined;
  const [center, width] = told as [number, number];
  const [middle, half] = exact ? [center, width / 2] : [center - 0.5, (width - 1) / 2];
  const ends = [middle - half, middle + half].map((value) => (value - intercept) / slope);
  const range = { lower: Math.min(...ends), upper: Math.max(...ends) };
  return hides(range, pixels, isSigmoid(header)) ? undefined : range;
}

/** The first pair of center and width that could be meant. */
function pairOf(header: Header, least: number): number[] | undefined {
  const [centers, widths] = [TAG.windowCenter, TAG.windowWidth].map((tag) => textsOf(header, tag).map((told) => (told ? Number(told) : NaN)));
  const at = centers!.findIndex((center, index) => Math.abs(center) <= LARGEST && widths![index]! >= least && widths![index]! <= LARGEST);
  return at < 0 ? undefined : [centers![at]!, widths![at]!];
}

/** The window that shows all but the outermost percentiles. */
export function percentilesOf(pixels: Pixels): Range {
  const [lower, upper] = outermost(sampleOf(pixels));
  return upper > lower ? { lower, upper } : { lower, upper: lower + 1 };
}

/** The part of a film's own window that a preset shows; `inverted`: high values are drawn dark. */
export function presetOf({ lower, upper }: Range, preset: Preset, inverted: boolean): Range {
  const [from, to] = inverted ? PRESETS[preset].map((share) => 1 - share).reverse() : PRESETS[preset];
  const width = upper - lower;
  return { lower: lower + from! * width, upper: lower + to! * width };
}

/** Eight bits about which the header says nothing are grays already. */
function isPlain(header: Header): boolean {
  return numberOf(header, TAG.bitsStored) === 8 && !numberOf(header, TAG.pixelRepresentation) && !header[TAG.rescaleSlope];
}

/** Most of the film would be black or white, or all of it nearly one gray; as the reader judges it. */
function hides({ lower, upper }: Range, pixels: Pixels, sigmoid: boolean): boolean {
  const shadeOf = (value: number) => (value - lower) / Math.max(upper - lower, 1e-6);
  const curved = (value: number) => 1 / (1 + Math.exp(-4 * (shadeOf(value) - 0.5)));
  const shades = sampleOf(pixels).map(sigmoid ? curved : (value) => Math.min(Math.max(shadeOf(value), 0), 1));
  const lost = shades.reduce((sum, shade) => sum + (shade <= 0.002 || shade >= 0.998 ? 1 : 0), 0);
  const [darkest, brightest] = outermost(shades);
  return lost > shades.length * 0.6 || brightest - darkest < 0.2;
}

function outermost(values: Float32Array): [number, number] {
  const sorted = values.toSorted();
  const at = (percent: number) => sorted[Math.round(((sorted.length - 1) * percent) / 100)] ?? 0;
  return [at(PERCENTILES[0]), at(PERCENTILES[1])];
}

function sampleOf(pixels: Pixels): Float32Array {
  const step = Math.max(1, Math.floor(pixels.length / SAMPLES)) | 1; // odd, so as not to run down columns
  return Float32Array.from({ length: Math.ceil(pixels.length / step) }, (_, at) => pixels[at * step]!);
}
