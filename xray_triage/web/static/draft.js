// What somebody is writing outlives a session that ends: it is kept in this tab until it was sent or they sign out.
// Writing counts as being there. Must never know what is written about.
"use strict";

const PRESENT_MILLISECONDS = 60000;
const mine = `draft:${document.body.dataset.user}:`, ended = "ended";
let presentAt = 0;

// A browser may keep nothing: then a draft lives as long as the page.
function drafts() {
  try { return sessionStorage; } catch { return { getItem() {}, setItem() {}, removeItem() {} }; }
}

function fields(form = document) {
  return [...form.querySelectorAll("textarea")].filter((field) => field.form?.matches("[data-post]"));
}

function keyOf(field) {
  return `${mine}${location.pathname}:${field.name}`;
}

function forgetDrafts(form) {
  for (const field of fields(form)) drafts().removeItem(keyOf(field));
}

// The page comes back after signing in, with the dialog that was open.
function leaveForLogin() {
  const isKept = fields().some((field) => drafts().getItem(keyOf(field)));
  drafts().setItem(ended, `${location.pathname}#${document.querySelector("dialog[open]")?.id ?? ""}`);
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}&ended=${isKept ? "draft" : "yes"}`);
}

async function tellPresence() {
  if (Date.now() - presentAt < PRESENT_MILLISECONDS) return;
  presentAt = Date.now();
  const answer = await send("/present", {}).catch(() => null);
  if (answer?.status === 401) leaveForLogin();
}

document.addEventListener("input", ({ target }) => {
  if (!fields(target.form ?? undefined).includes(target)) return;
  if (target.value === target.defaultValue) drafts().removeItem(keyOf(target));
  else drafts().setItem(keyOf(target), target.value);
  tellPresence();
});

document.querySelector("form[action='/sign-out']")?.addEventListener("submit", () => forgetAllBut());

function forgetAllBut(prefix) {
  for (const key of Object.keys(drafts())) {
    if (key.startsWith("draft:") && !(prefix && key.startsWith(prefix))) drafts().removeItem(key);
  }
}

forgetAllBut(mine); // somebody else signed in
for (const field of fields()) field.value = drafts().getItem(keyOf(field)) ?? field.value;
const [page, dialog] = (drafts().getItem(ended) ?? "").split("#");
if (page === location.pathname) {
  drafts().removeItem(ended);
  if (dialog) document.getElementById(dialog)?.showModal();
}
