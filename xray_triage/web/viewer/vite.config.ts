import { copyFileSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";

// STATIC: where the built files go; the test builds elsewhere and compares.
const statics = resolve(process.env.STATIC ?? "../static");

/** Parts of Cornerstone3D and VTK that no film of the station can need, by the path they are imported under. */
const DROPPED = /decodeJPEGXL|decodeDeflatedFrame|vtk\.js\/IO\/|\/WebGPU\/RenderWindow/;
const NOTHING = "export default () => { throw new Error('left out of this viewer'); }; export const initialize = () => {};";

function dropParts(): Plugin {
  return {
    name: "drop-parts",
    enforce: "pre",
    resolveId: (source) => (DROPPED.test(source) ? "\0dropped" : undefined),
    load: (id) => (id === "\0dropped" ? NOTHING : undefined),
  };
}

function copyVendor(): Plugin {
  return {
    name: "copy-vendor",
    writeBundle: () => {
      mkdirSync(resolve(statics, "vendor"), { recursive: true });
      const vendor = (from: string, to: string) =>
        copyFileSync(resolve("node_modules/htmx.org", from), resolve(statics, "vendor", to));
      vendor("dist/htmx.min.js", "htmx.min.js");
      vendor("dist/ext/hx-sse.min.js", "hx-sse.min.js");
      vendor("LICENSE", "LICENSE.htmx.txt");
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
    assetsInlineLimit: 0, // no data: URLs
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 4000,
    rolldownOptions: { input: { main: "src/main.ts" }, output: names },
  },
});
