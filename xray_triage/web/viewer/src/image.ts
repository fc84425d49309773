/** From a delivery to an image that Cornerstone can draw: metadata modules, decoding, first window. Knows no screen. */

import { Enums, getWebWorkerManager, metaData, registerImageLoader, utilities, type Types } from "@cornerstonejs/core";
import createImage from "../node_modules/@cornerstonejs/dicom-image-loader/dist/esm/imageLoader/createImage.js";
import { coveredIn, filmIn } from "./cover";
import type { Delivery } from "./fetching";
import { graphicsOf } from "./graphics";
import { numberOf, TAG, textOf, type Header } from "./header";
import { spacingOf } from "./spacing";
import { logarithmOf, lookUp, NO_RESCALE, rangeOf, rescaleOf, withoutUnusedBits, type Pixels, type Rescale } from "./values";
import { isSigmoid, percentilesOf, windowOf } from "./window";

const SCHEME = "film:";
const NATIVE = /^1\.2\.840\.10008\.1\.2(\.[12])?$/;
const LOSSY = /^1\.2\.840\.10008\.1\.2\.4\.(50|51|81|91|203)$/;
const DRAWN = /^(MONOCHROME[12]|RGB|YBR_\w+)$/;
const LONGEST_MILLISECONDS = 60_000; // a decoder that takes longer hangs

const headers = new Map<string, Header>();
const rescales = new Map<string, Rescale>();
const graphics = new Map<string, string>();
const images = new Map<string, Types.IImage>();

/** Let Cornerstone find `film:` images that were prepared. To be called once, after Cornerstone's own init. */
export function registerFilms(decoder: Worker): void {
  metaData.addProvider((module: string, imageId: string) => moduleOf(module, headers.get(imageId)), 1);
  registerImageLoader(SCHEME.slice(0, -1), (imageId) => ({ promise: Promise.resolve(images.get(imageId)!) }));
  getWebWorkerManager().registerWorker("dicomImageLoader", () => decoder); // the name createImage sends its work to
}

/**
 * Decode a delivery; gives the id under which Cornerstone finds the image. Rejects when it cannot be shown.
 * `negative`: the film is one against what its header says.
 */
export async function prepare(name: string, delivery: Delivery, negative: boolean): Promise<string> {
  const imageId = SCHEME + name;
  const header = await delivery.header;
  headers.set(imageId, header);
  const { bytes, transferSyntaxUid } = await delivery.frame;
  const native = NATIVE.test(transferSyntaxUid);
  checkFrame(header, bytes, native);
  const image = await inTime(createImage(imageId, bytes as never, transferSyntaxUid, { preScale: { enabled: false } }));
  checkSize(header, image);
  if (!image.color) {
    const drawn = graphicsOf(header, image.getPixelData() as Pixels);
    if (drawn) graphics.set(imageId, drawn);
    rescales.set(imageId, chooseGrays(image, header, transferSyntaxUid, negative));
  }
  images.set(imageId, image);
  return imageId;
}

/** The header of an image that was prepared. */
export function headerOf(imageId: string): Header {
  return headers.get(imageId) ?? {};
}

/** The machine's own graphics over an image that was prepared, as a picture. */
export function graphicsOver(imageId: string): string | undefined {
  return graphics.get(imageId);
}

/** How a window of an image that was prepared is told. */
export function rescaleOfShown(imageId: string): Rescale {
  return rescales.get(imageId) ?? NO_RESCALE;
}

/** Let go of an image that Cornerstone has taken into its own cache. */
export function forget(imageId: string): void {
  images.delete(imageId);
}

function inTime(decoding: Promise<unknown>): Promise<Types.IImage> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error("decoder: no answer")), LONGEST_MILLISECONDS);
  });
  return Promise.race([decoding as Promise<Types.IImage>, late]);
}

/** What Cornerstone would draw as noise or nothing: unknown colours and depths, a native film shorter than it says. */
function checkFrame(header: Header, bytes: Uint8Array, native: boolean): void {
  const photometric = textOf(header, TAG.photometricInterpretation);
  const samples = numberOf(header, TAG.samplesPerPixel) ?? 1;
  const bits = numberOf(header, TAG.bitsAllocated) ?? 16;
  if (!DRAWN.test(photometric) || !(samples === 1 ? [8, 16, 32] : [8]).includes(bits)) {
    throw new Error(`frame: ${photometric} of ${samples} × ${bits} bits is not drawn`);
  }
  const pixels = (numberOf(header, TAG.rows) ?? 0) * (numberOf(header, TAG.columns) ?? 0);
  if (!pixels || (native && bytes.length < (pixels * samples * bits) / 8)) throw new Error("frame: shorter than its header says");
}

/** A decoder may take damaged bytes for a film of another size, or of none. */
function checkSize(header: Header, image: Types.IImage): void {
  const { rows, columns } = image;
  const same = rows === numberOf(header, TAG.rows) && columns === numberOf(header, TAG.columns);
  if (!same || image.getPixelData().length < rows * columns) throw new Error("frame: not the film its header tells of");
}

/**
 * Give the image its first window. Cornerstone draws no tables on a GPU and takes a negative slope for a
 * black film, so tables go through the pixels, and a rescale goes into window and polarity: it is given back.
 */
function chooseGrays(image: Types.IImage, header: Header, syntax: string, negative: boolean): Rescale {
  const pixels = () => image.getPixelData() as Pixels;
  const words = pixels();
  if (!LOSSY.test(syntax)) replace(image, withoutUnusedBits(header, words, image.maxPixelValue, NATIVE.test(syntax)));
  const covered = coveredIn(header, words, pixels());
  const film = () => filmIn(pixels(), covered);
  const meant = lookUp(header, TAG.modalityLutSequence, pixels(), NO_RESCALE) ?? logarithmOf(header, pixels(), film());
  const rescale = replace(image, meant) ? NO_RESCALE : rescaleOf(header);
  const table = replace(image, lookUp(header, TAG.voiLutSequence, pixels(), rescale));
  const own = table ? { lower: image.minPixelValue, upper: image.maxPixelValue } : windowOf(header, film(), rescale);
  const { lower, upper } = own ?? percentilesOf(film());
  if (covered) blacken(image, header, covered, rescale.slope < 0 && !table ? !negative : negative);
  const linear = table || !own || !isSigmoid(header);
  image.voiLUTFunction = linear ? Enums.VOILUTFunctionType.LINEAR_EXACT : Enums.VOILUTFunctionType.SAMPLED_SIGMOID;
  const last = linear ? 0 : 1; // Cornerstone's sigmoid counts the last value too
  image.windowCenter = (lower + upper + last) / 2;
  image.windowWidth = Math.max(upper - lower + last, 1);
  return table ? NO_RESCALE : rescale;
}

/** What is no film is black in every window: as low as the film's lowest value, or as high where it is shown inverted. */
function blacken(image: Types.IImage, header: Header, covered: Uint8Array, turned: boolean): void {
  const pixels = image.getPixelData() as Pixels;
  const [least, most] = rangeOf(filmIn(pixels, covered));
  const inverted = (textOf(header, TAG.photometricInterpretation) === "MONOCHROME1") !== turned;
  replace(image, pixels.map((value, at) => (covered[at] ? (inverted ? most : least) : value)));
}

/** Let the image have other pixel values, if there are such. */
function replace(image: Types.IImage, values: Pixels | undefined): boolean {
  if (!values) return false;
  const { columns: width, rows: height } = image;
  image.voxelManager = utilities.VoxelManager.createImageVoxelManager({
    scalarData: values,
    width,
    height,
    numberOfComponents: 1,
  }) as Types.IVoxelManager<number>;
  image.getPixelData = () => values;
  image.dataType = values.constructor.name as Types.PixelDataTypedArrayString;
  [image.minPixelValue, image.maxPixelValue] = rangeOf(values);
  return true;
}

/** What Cornerstone asks by module name. A pixel is one unit high in its world, the first one's middle at 0, 0. */
function moduleOf(module: string, header: Header | undefined): object | undefined {
  if (!header) return undefined;
  switch (module) {
    case Enums.MetadataModules.IMAGE_PIXEL:
      return {
        samplesPerPixel: numberOf(header, TAG.samplesPerPixel) ?? 1,
        photometricInterpretation: textOf(header, TAG.photometricInterpretation),
        planarConfiguration: numberOf(header, TAG.planarConfiguration),
        rows: numberOf(header, TAG.rows),
        columns: numberOf(header, TAG.columns),
        bitsAllocated: numberOf(header, TAG.bitsAllocated),
        bitsStored: numberOf(header, TAG.bitsStored),
        highBit: numberOf(header, TAG.highBit),
        pixelRepresentation: numberOf(header, TAG.pixelRepresentation) ?? 0,
      };
    case Enums.MetadataModules.IMAGE_PLANE:
      return planeOf(header);
    case Enums.MetadataModules.GENERAL_SERIES:
      return { modality: textOf(header, TAG.modality) };
    default:
      return undefined;
  }
}

function planeOf(header: Header): object {
  const { row, column } = spacingOf(header);
  return {
    rows: numberOf(header, TAG.rows),
    columns: numberOf(header, TAG.columns),
    rowCosines: [1, 0, 0],
    columnCosines: [0, 1, 0],
    imageOrientationPatient: [1, 0, 0, 0, 1, 0],
    imagePositionPatient: [0, 0, 0],
    rowPixelSpacing: 1,
    columnPixelSpacing: column / row,
    pixelSpacing: [1, column / row],
    usingDefaultValues: true,
  };
}
