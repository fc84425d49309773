import { copyFileSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";

// STATIC: where the built files go; the test builds elsewhere and compares.
const statics = resolve(process.env.STATIC ?? "../static");

/** Parts of Cornerstone3D and VTK that no film of the station can need, by the path they are imported under. */
const DROPPED = /decodeJPEGXL|decodeDeflatedFrame|vtk\.js\/IO\/|\/WebGPU\//;
const NOTHING = "export default () => { throw new Error('left out of this viewer'); }; export const initialize = () => {};";

function dropParts(): Plugin {
  return {
    name: "drop-parts",
    enforce: "pre",
    resolveId: (source) => (source === "dcmjs" ? resolve("src/dcmjs.ts") : DROPPED.test(source) ? "\0dropped" : undefined),
    load: (id) => (id === "\0dropped" ? NOTHING : undefined),
  };
}

/** htmx for the other pages, and the licenses of the decoders, which Vite does not list. */
function copyVendor(): Plugin {
  const htmx = "node_modules/htmx.org";
  const cornerstone = "node_modules/@cornerstonejs";
  const copies = {
    [`${htmx}/dist/htmx.min.js`]: "vendor/htmx.min.js",
    [`${htmx}/LICENSE`]: "vendor/LICENSE.htmx.txt",
    // These two packages come without the license of what they are built of.
    "licenses/openjpeg.txt": "viewer/LICENSE.openjpeg.txt",
    "licenses/libjpeg-turbo.txt": "viewer/LICENSE.libjpeg-turbo.txt",
    [`${cornerstone}/codec-charls/LICENSE`]: "viewer/LICENSE.charls.txt",
    [`${cornerstone}/codec-openjph/LICENSE`]: "viewer/LICENSE.openjph.txt",
    [`${cornerstone}/jpeg-lossless-decoder-js/LICENSE`]: "viewer/LICENSE.jpeg-lossless.txt",
  };
  return {
    name: "copy-vendor",
    writeBundle: () => {
      mkdirSync(resolve(statics, "vendor"), { recursive: true });
      for (const [from, to] of Object.entries(copies)) copyFileSync(from, resolve(statics, to));
    },
  };
}

const names = { entryFileNames: "[name].js", chunkFileNames: "[name].js", assetFileNames: "[name][extname]" };

export default defineConfig({
  base: "/static/viewer/",
  logLevel: "error", // Cornerstone's codecs mention node's modules, which no browser asks for
  plugins: [dropParts(), copyVendor()],
  worker: { format: "es", plugins: () => [dropParts()], rolldownOptions: { output: names } },
  build: {
    target: "es2023",
    outDir: resolve(statics, "viewer"),
    emptyOutDir: true,
    license: { fileName: "LICENSES.md" },
    assetsInlineLimit: 0, // no data: URLs
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 4000,
    rolldownOptions: { input: { main: "src/main.ts" }, output: names },
  },
});
