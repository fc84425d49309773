/** From a delivery to an image that Cornerstone can draw: metadata modules, decoding, first window. Knows no screen. */

import { Enums, getWebWorkerManager, metaData, registerImageLoader, utilities, type Types } from "@cornerstonejs/core";
import createImage from "../node_modules/@cornerstonejs/dicom-image-loader/dist/esm/imageLoader/createImage.js";
import type { Delivery } from "./fetching";
import { numberOf, numbersOf, TAG, textOf, type Header } from "./header";
import { spacingOf } from "./spacing";
import { lookUp, percentilesOf, windowOf, type Pixels } from "./window";

const SCHEME = "film:";
const MODES: Record<string, Enums.VOILUTFunctionType> = {
  SIGMOID: Enums.VOILUTFunctionType.SAMPLED_SIGMOID,
  LINEAR_EXACT: Enums.VOILUTFunctionType.LINEAR_EXACT,
};

const headers = new Map<string, Header>();
const images = new Map<string, Types.IImage>();

/** Let Cornerstone find `film:` images that were prepared. To be called once, after Cornerstone's own init. */
export function registerFilms(decoder: Worker): void {
  metaData.addProvider((module: string, imageId: string) => moduleOf(module, headers.get(imageId)), 1);
  registerImageLoader(SCHEME.slice(0, -1), (imageId) => ({ promise: Promise.resolve(images.get(imageId)!) }));
  getWebWorkerManager().registerWorker("dicomImageLoader", () => decoder); // the name createImage sends its work to
}

/** Decode a delivery; gives the id under which Cornerstone finds the image. Rejects when it cannot be shown. */
export async function prepare(name: string, delivery: Delivery): Promise<string> {
  const imageId = SCHEME + name;
  const header = await delivery.header;
  headers.set(imageId, header);
  const { bytes, transferSyntaxUid } = await delivery.frame;
  checkLength(header, bytes, transferSyntaxUid);
  const image = (await createImage(imageId, bytes as never, transferSyntaxUid, {})) as Types.IImage;
  checkSize(header, image);
  if (!image.color) chooseGrays(image, header);
  images.set(imageId, image);
  return imageId;
}

/** The header of an image that was prepared. */
export function headerOf(imageId: string): Header {
  return headers.get(imageId) ?? {};
}

/** Let go of an image that Cornerstone has taken into its own cache. */
export function forget(imageId: string): void {
  images.delete(imageId);
}

/** A native film shorter than its header says would be drawn with noise or nothing. */
function checkLength(header: Header, bytes: Uint8Array, transferSyntaxUid: string): void {
  const native = /^1\.2\.840\.10008\.1\.2(\.[12])?$/.test(transferSyntaxUid);
  const pixels = (numberOf(header, TAG.rows) ?? 0) * (numberOf(header, TAG.columns) ?? 0);
  const wanted = (pixels * (numberOf(header, TAG.samplesPerPixel) ?? 1) * (numberOf(header, TAG.bitsAllocated) ?? 16)) / 8;
  if (!pixels || (native && bytes.length < wanted)) throw new Error("frame: shorter than its header says");
}

/** A decoder may take damaged bytes for a film of another size, or of none. */
function checkSize(header: Header, image: Types.IImage): void {
  const { rows, columns } = image;
  const same = rows === numberOf(header, TAG.rows) && columns === numberOf(header, TAG.columns);
  if (!same || image.getPixelData().length < rows * columns) throw new Error("frame: not the film its header tells of");
}

function chooseGrays(image: Types.IImage, header: Header): void {
  const found = lookUpIn(image, header, TAG.modalityLutSequence);
  const table = lookUpIn(image, header, TAG.voiLutSequence);
  const pixels = image.getPixelData() as Pixels;
  const exact = image.voiLUTFunction === Enums.VOILUTFunctionType.LINEAR_EXACT;
  const own = table ? { lower: image.minPixelValue, upper: image.maxPixelValue } : windowOf(header, pixels, exact);
  const { lower, upper } = own ?? percentilesOf(pixels);
  if (table || found || !own) image.voiLUTFunction = Enums.VOILUTFunctionType.LINEAR;
  const window = utilities.windowLevel.toWindowLevel(lower, upper);
  image.windowCenter = window.windowCenter;
  image.windowWidth = Math.max(window.windowWidth, 2);
  if (image.voiLUTFunction === Enums.VOILUTFunctionType.LINEAR_EXACT) {
    image.windowCenter -= 0.5;
    image.windowWidth -= 1;
  }
}

/** Cornerstone draws no tables on a GPU, so the pixels themselves go through them. */
function lookUpIn(image: Types.IImage, header: Header, tag: string): boolean {
  const mapped = lookUp(header, tag, image.getPixelData() as Pixels);
  if (!mapped) return false;
  const { columns: width, rows: height } = image;
  image.voxelManager = utilities.VoxelManager.createImageVoxelManager({
    scalarData: mapped,
    width,
    height,
    numberOfComponents: 1,
  }) as Types.IVoxelManager<number>;
  image.getPixelData = () => mapped;
  image.dataType = "Uint16Array";
  image.minPixelValue = mapped.reduce((least, value) => Math.min(least, value), Infinity);
  image.maxPixelValue = mapped.reduce((most, value) => Math.max(most, value), -Infinity);
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
    case Enums.MetadataModules.VOI_LUT:
      return {
        windowCenter: numbersOf(header, TAG.windowCenter).slice(0, 1),
        windowWidth: numbersOf(header, TAG.windowWidth).slice(0, 1),
        voiLUTFunction: [MODES[textOf(header, TAG.voiLutFunction).replace(" ", "_")] ?? "LINEAR"],
      };
    case Enums.MetadataModules.MODALITY_LUT:
      return {
        rescaleIntercept: numberOf(header, TAG.rescaleIntercept) ?? 0,
        rescaleSlope: numberOf(header, TAG.rescaleSlope) || 1,
      };
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
