/** The film on the whole screen, and back. Knows no film. */

/** Let the viewer fill the screen; where a browser gives none (a phone), its window. */
export function fillScreen(root: HTMLElement, wanted: boolean): void {
  root.classList.toggle("full", wanted);
  if (wanted) root.requestFullscreen?.().catch(() => undefined);
  else if (document.fullscreenElement) void document.exitFullscreen();
}

/** Call `left` when somebody leaves the full screen by the browser's own key, or by Escape where only the window is filled. */
export function onLeft(root: HTMLElement, left: () => void): void {
  document.addEventListener("fullscreenchange", () => !document.fullscreenElement && left());
  root.addEventListener("keydown", (event) => event.key === "Escape" && root.classList.contains("full") && left());
}
