// A scanner types where the cursor is, and ends with Enter or Tab: what it typed is read as a card, wherever that was.
"use strict";

document.addEventListener("keydown", (event) => {
  const field = event.target, card = document.getElementById("card");
  if (event.key !== "Enter" && event.key !== "Tab") return;
  if (!field.matches("input, textarea") || !/^\s*\w{10,15}[|｜¦\\~].*[|｜¦\\~]/.test(field.value)) return;
  event.preventDefault();
  if (field !== card) {
    card.value = field.value;
    field.value = field.defaultValue;
  }
  card.form.requestSubmit();
});
