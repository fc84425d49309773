// What the doctor does on a page: forms that are sent as JSON, dialogs, phrases, keys. Knows no case.
"use strict";

function valuesOf(form, button) {
  const values = {};
  for (const [name, value] of new FormData(form, button)) {
    const isJson = form.querySelector(`[name="${name}"]`).dataset.type === "json";
    values[name] = isJson ? JSON.parse(value) : value;
  }
  return values;
}

async function send(address, values, options = {}) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
  return fetch(address, { method: "POST", headers, body: JSON.stringify(values), ...options });
}

async function post(form, button) {
  const error = form.querySelector(".error");
  if (form.dataset.sending) return;
  const values = valuesOf(form, button), needed = button?.formNoValidate ? [] : [...form.querySelectorAll("[required]")];
  const blank = needed.find((field) => !field.value.trim());
  error.hidden = true;
  if (blank) return complain(form, blank.dataset.blank ?? form.dataset.blank, blank);
  form.dataset.sending = "yes"; // the button keeps the focus, which a disabled one loses
  try {
    await form.underWay; // what it sends by itself comes first
    const answer = await send(button?.dataset.post ?? form.dataset.post, values);
    const refusal = [409, 422].includes(answer.status) ? (await answer.json()).detail : "";
    if (answer.status === 409) form.dispatchEvent(new Event("refused", { bubbles: true }));
    if (typeof refusal === "string" && refusal) return complain(form, `${form.dataset.fail} ${refusal}`);
    if (answer.status === 401) return leaveForLogin();
    if (!answer.ok) return complain(form, form.dataset.fail);
    forgetDrafts(form);
    form.dispatchEvent(new Event("posted", { bubbles: true }));
    const told = await answer.json();
    // A doctor beside us may have asked first: theirs came back.
    if ("asked" in form.dataset && told.question !== values.question.trim()) return showTaken(form);
    const sheet = form.closest("dialog");
    if (sheet) form.reset();
    sheet?.close();
    if ("asked" in form.dataset) document.getElementById("consultation").focus(); // the button is going
    changed();
  } catch {
    complain(form, form.dataset.fail);
  } finally {
    delete form.dataset.sending;
    for (const secret of form.querySelectorAll("[type=password]")) secret.value = ""; // a PIN is typed each time
  }
}

function complain(form, words, field) {
  const error = form.querySelector(".error");
  error.textContent = words;
  error.hidden = false;
  field?.setAttribute("aria-invalid", "true");
  field?.focus();
}

function showTaken(form) {
  form.dataset.taken = "yes";
  form.querySelector("[data-taken]").hidden = false;
  form.querySelector("button.main").disabled = true;
  changed();
}

function finish(button) {
  const go = (answer) => (button.dataset.then && answer.ok ? location.assign(button.dataset.then) : changed());
  send(button.dataset.done, {}).then(go, changed);
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-post]")) return;
  event.preventDefault();
  post(event.target, event.submitter);
});

document.addEventListener("click", (event) => {
  const target = event.target;
  const opener = target.closest("[data-dialog]"), phrase = target.closest("[data-phrase]");
  if (opener) {
    document.getElementById(opener.dataset.dialog).showModal();
  } else if (target.closest("dialog [data-close]")) {
    target.closest("dialog").close();
  } else if (phrase) {
    const text = phrase.form.elements.question;
    text.value = `${text.value.trimEnd()}\n${phrase.dataset.phrase}`.trimStart();
    text.dispatchEvent(new Event("input", { bubbles: true }));
    text.focus();
  } else if (target.closest("[data-done]")) {
    finish(target.closest("[data-done]"));
  } else if (target.closest("[data-print]")) {
    print();
  }
});

document.querySelector("[data-finder]")?.addEventListener("change", (event) => {
  if (event.target.type !== "search") event.currentTarget.requestSubmit();
});

// --- keys: / j k x of the worklist, where a link is opened by Enter anyway; and what a link or button names for itself ---
function step(by) {
  const links = [...document.querySelectorAll(".worklist .who a")];
  const here = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
  links[here < 0 ? 0 : Math.min(Math.max(here + by, 0), links.length - 1)]?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented) return; // the film took it
  if (event.ctrlKey && event.key === "Enter") return event.target.form?.closest("dialog form")?.querySelector("button.main")?.click();
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, textarea, select, dialog, form.result")) return;
  const named = document.querySelector(`main [aria-keyshortcuts="${CSS.escape(event.key.toLowerCase())}"]`);
  if (named) {
    event.preventDefault();
    if (!event.repeat) named.click(); // a key held down is no second case
    return;
  }
  const search = document.querySelector("[data-search]");
  if (!search) return;
  if (event.key === "/") {
    event.preventDefault();
    search.select();
    search.focus();
  } else if (event.key === "j" || event.key === "k") {
    step(event.key === "j" ? 1 : -1);
  } else if (event.key === "x") {
    document.activeElement.closest("tr")?.querySelector("[data-done]")?.click();
  }
});

// --- the case: a second doctor's dialog, an answer that came while the page was open ---
let isTold = Boolean(document.querySelector("[data-seen]"));

document.addEventListener("htmx:after:swap", () => {
  const form = document.querySelector("dialog[open] form[data-asked]");
  if (form && !form.querySelector("button.main").disabled && !document.querySelector("[data-dialog=ask]")) showTaken(form);
  const unseen = document.querySelector("[data-seen]"), panel = unseen?.closest("section");
  if (panel && !isTold) panel.parentElement.scrollTop = panel.offsetTop; // it moved up: nothing counts as seen out of sight
  isTold = Boolean(unseen);
  if (unseen && !unseen.dataset.waiting) {
    unseen.dataset.waiting = "yes";
    const see = () => send(unseen.dataset.seen, {}); // twice does no harm
    for (const kind of ["pointermove", "keydown"]) addEventListener(kind, see, { once: true });
  }
});
