/** A film's header in the DICOM JSON model (PS3.18 F.2), read by tag. Knows no pixels. */

export interface Element {
  vr?: string;
  Value?: unknown[];
  InlineBinary?: string;
  BulkDataURI?: string;
  bytes?: Uint8Array<ArrayBuffer>; // of what lies there, once it was fetched
}

/** An instance's attributes under their eight hexadecimal digits. */
export type Header = Record<string, Element | undefined>;

export const TAG = {
  sopClass: "00080016",
  modality: "00080060",
  shutterShape: "00181600",
  shutterLeft: "00181602",
  shutterRight: "00181604",
  shutterUpper: "00181606",
  shutterLower: "00181608",
  shutterCentre: "00181610",
  shutterRadius: "00181612",
  shutterVertices: "00181620",
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
  pixelPaddingValue: "00280120",
  pixelPaddingRangeLimit: "00280121",
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

/** All values as text. */
export function textsOf(header: Header, tag: string): string[] {
  return (header[tag]?.Value ?? []).map((value) => String(value ?? "").trim());
}

/** All values that are numbers; decimal strings may come as strings. */
export function numbersOf(header: Header, tag: string): number[] {
  return (header[tag]?.Value ?? []).map(Number).filter(Number.isFinite);
}

/** The first value as a number. */
export function numberOf(header: Header, tag: string): number | undefined {
  return numbersOf(header, tag)[0];
}

/** The items of a sequence. */
export function itemsOf(header: Header, tag: string): Header[] {
  return ((header[tag]?.Value ?? []) as (Header | null)[]).filter((item) => item !== null);
}

/** The words of a 16-bit element, unsigned: it comes as numbers (US, SS) or as base64, little endian (OW). */
export function wordsOf(header: Header, tag: string): number[] {
  if (header[tag]?.InlineBinary === undefined) return numbersOf(header, tag).map((value) => value & 0xffff);
  const bytes = bytesOf(header, tag);
  return Array.from(new Uint16Array(bytes.buffer, 0, bytes.length >> 1));
}

/** The bytes of an element that came within the header, or were fetched. */
export function bytesOf(header: Header, tag: string): Uint8Array<ArrayBuffer> {
  return header[tag]?.bytes ?? Uint8Array.from(atob(header[tag]?.InlineBinary ?? ""), (letter) => letter.charCodeAt(0));
}
