/** How far two pixels of a film lie apart, as far as the film says. PS3.3 10.7.1.3. Knows no screen. */

import { numbersOf, TAG, textOf, type Header } from "./header";

/** Where the millimetres hold: in the patient's plane, only at the detector (so enlarged), or nowhere. */
export type Plane = "patient" | "detector" | "unknown";

/** Millimetres (or pixels, when the plane is unknown) between rows and between columns. */
export interface Spacing {
  row: number;
  column: number;
  plane: Plane;
}

/** The film's spacing. Pixel Spacing that merely repeats Imager Pixel Spacing was not calibrated. */
export function spacingOf(header: Header): Spacing {
  const calibrated = pairOf(header, TAG.pixelSpacing);
  const detector = pairOf(header, TAG.imagerPixelSpacing);
  if (calibrated) {
    const repeated = detector && calibrated[0] === detector[0] && calibrated[1] === detector[1];
    const plane = repeated && !textOf(header, TAG.calibrationType) ? "detector" : "patient";
    return { row: calibrated[0], column: calibrated[1], plane };
  }
  if (detector) return { row: detector[0], column: detector[1], plane: "detector" };
  const [high, wide] = pairOf(header, TAG.pixelAspectRatio) ?? [1, 1];
  return { row: 1, column: wide / high, plane: "unknown" };
}

function pairOf(header: Header, tag: string): [number, number] | undefined {
  const [row, column] = numbersOf(header, tag);
  return row && column && row > 0 && column > 0 ? [row, column] : undefined;
}
