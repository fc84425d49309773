/** A film's header in the DICOM JSON model (PS3.18 F.2), read by tag. Knows no pixels. */

interface Element {
  vr?: string;
  Value?: unknown[];
  InlineBinary?: string;
}

/** An instance's attributes under their eight hexadecimal digits. */
export type Header = Record<string, Element | undefined>;

export const TAG = {
  sopClass: "00080016",
  modality: "00080060",
  imagerPixelSpacing: "00181164",
  samplesPerPixel: "00280002",
  photometricInterpretation: "00280004",
  planarConfiguration: "00280006",
  rows: "00280010",
  columns: "00280011",
  pixelSpacing: "00280030",
  pixelAspectRatio: "00280034",
  bitsAllocated: "00280100",
  bitsStored: "00280101",
  highBit: "00280102",
  pixelRepresentation: "00280103",
  calibrationType: "00280A02",
  intensityRelationship: "00281040",
  windowCenter: "00281050",
  windowWidth: "00281051",
  rescaleIntercept: "00281052",
  rescaleSlope: "00281053",
  voiLutFunction: "00281056",
  modalityLutSequence: "00283000",
  lutDescriptor: "00283002",
  lutData: "00283006",
  voiLutSequence: "00283010",
} as const;

/** The first value as text, "" when there is none. */
export function textOf(header: Header, tag: string): string {
  return String(header[tag]?.Value?.[0] ?? "").trim();
}

/** All values that are numbers; decimal strings may come as strings. */
export function numbersOf(header: Header, tag: string): number[] {
  return (header[tag]?.Value ?? []).map(Number).filter(Number.isFinite);
}

/** The first value as a number. */
export function numberOf(header: Header, tag: string): number | undefined {
  return numbersOf(header, tag)[0];
}

/** The first item of a sequence. */
export function itemOf(header: Header, tag: string): Header | undefined {
  return header[tag]?.Value?.[0] as Header | undefined;
}

/** The words of a 16-bit element, which comes as numbers (US) or as base64, little endian (OW). */
export function wordsOf(header: Header, tag: string): number[] {
  const inline = header[tag]?.InlineBinary;
  if (inline === undefined) return numbersOf(header, tag);
  const bytes = Uint8Array.from(atob(inline), (letter) => letter.charCodeAt(0));
  return Array.from(new Uint16Array(bytes.buffer, 0, bytes.length >> 1));
}
