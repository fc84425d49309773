/** The page's entry: asks for the first film and starts the decoder, while the viewer itself is still being loaded. */

import { fetchFilm } from "./fetching";
import { firstOf } from "./film";

const root = document.getElementById("viewer");
const film = root ? firstOf(root) : undefined;
if (root && film) {
  const progress = root.querySelector("progress");
  const delivery = fetchFilm(film, (share) => progress && (progress.value = share));
  const decoder = new Worker(new URL("./decoder.ts", import.meta.url), { type: "module" });
  const { openViewer } = await import("./viewer");
  await openViewer(root, delivery, decoder);
}
