// What is wrong with a field is said in the page's language, not in the browser's. Must never know what a field means.
"use strict";

document.addEventListener("invalid", ({ target }) => {
  const { valueMissing, tooShort, customError } = target.validity, words = document.body.dataset;
  if (customError) return; // ours, and nobody has typed since
  target.setCustomValidity(valueMissing ? words.missing : tooShort ? words.short : words.incomplete);
}, true);

for (const kind of ["input", "change"]) {
  document.addEventListener(kind, ({ target }) => {
    target.setCustomValidity?.("");
    target.removeAttribute?.("aria-invalid");
  }, true);
}
