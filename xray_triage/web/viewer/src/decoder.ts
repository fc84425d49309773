/** The worker that decodes films: Cornerstone's decoders, each of which fetches its WebAssembly when first needed. */

import "../node_modules/@cornerstonejs/dicom-image-loader/dist/esm/decodeImageFrameWorker.js";
