// The form of a doctor's result: it opens, is filled, saves itself as a draft, and is sent as the first version or over
// the one that its doctor has read. Must never know what a finding is.
const SAVE_MILLISECONDS = 1000, SAVE_AGAIN_MILLISECONDS = 5000;
const result = document.getElementById("result-form"), field = result.elements;
const parts = ["description", "conclusion", "advice"].map((name) => field[name]);
let timer = 0;

function isMine() {
  return "draft" in result.dataset || parts.some((part) => part.value !== part.defaultValue);
}

// At the version that stands on the page: the doctor sees whether a reason is wanted.
function aim() {
  const over = Number(document.querySelector("#result [data-version]")?.dataset.version ?? 0);
  field.over.value = JSON.stringify(over || null);
  field.over.disabled = field.reason.disabled = !over;
  field.reason.required = Boolean(over);
  field.reason.closest("label").hidden = !over;
  result.querySelector("button.main").dataset.post = `${result.dataset.post}/${over ? "amend" : "finish"}`;
}

function open() {
  aim();
  result.hidden = false;
  tellAdopted();
  result.focus();
}

function hide() {
  result.hidden = true;
  document.getElementById("write-button")?.focus();
}

function tellAdopted() {
  result.querySelector("[data-adopted]").hidden = !JSON.parse(field.adopts_answer.value);
}

function written() {
  for (const part of parts) part.dispatchEvent(new Event("input", { bubbles: true }));
}

function put(words) {
  for (const part of parts) part.value = words[part.name] ?? "";
  field.adopts_answer.value = JSON.stringify(words.adopts_answer ?? false);
}

function add(words) {
  for (const part of parts) part.value = [part.value.trimEnd(), words[part.name]].filter(Boolean).join("\n");
  if (words.adopts_answer) field.adopts_answer.value = JSON.stringify(words.adopts_answer);
}

// Only lines that nobody has finished are filled: what was typed stays.
function sayNormal(which) {
  const marked = which === "rest" ? JSON.parse(result.dataset.marked) : [];
  let lines = field.description.value.trim() || JSON.parse(result.dataset.beginning).description;
  for (const [heading, normal] of JSON.parse(result.dataset.regions)) {
    if (!marked.includes(heading)) lines = lines.replace(new RegExp(`^${heading}[^:\n]*:\\s*…\\s*$`, "m"), `${heading}: ${normal}`);
  }
  field.description.value = lines;
  if (which === "all") field.conclusion.value ||= result.dataset.normalConclusion;
}

// What stands under one of the form's own headings goes into that part, without the heading; without a conclusion that
// says so, all of it is the conclusion.
const headings = { "Mô tả": "description", "Kết luận": "conclusion", "Đề nghị": "advice" };

function sorted(text) {
  const words = { description: "", conclusion: "", advice: "" };
  const rest = text.replace(/^(Mô tả|Kết luận|Đề nghị)\n((?: {2}.*\n?)+)/gm, (_, heading, lines) => {
    words[headings[heading]] += `${lines.replace(/^ {2}/gm, "").trimEnd()}\n`;
    return "";
  });
  return words.conclusion ? { ...words, conclusion: rest + words.conclusion } : { conclusion: text };
}

function adopt({ adopt: uid, by }, text) {
  field.description.value = field.description.value.split("\n").filter((line) => !/:\s*…\s*$/.test(line)).join("\n");
  const words = sorted(text);
  for (const name in words) words[name] = words[name].trim();
  add({ ...words, conclusion: [words.conclusion, by].filter(Boolean).join("\n"), adopts_answer: uid });
}

// --- the draft ---
function draft() {
  return { ...Object.fromEntries(parts.map((part) => [part.name, part.value])), adopts_answer: JSON.parse(field.adopts_answer.value) };
}

async function save(options) {
  clearTimeout(timer);
  const answer = await send(result.dataset.post, draft(), options).catch(() => null);
  if (answer?.status === 401) return leaveForLogin();
  const told = result.querySelector(".saved");
  told.textContent = answer?.ok ? told.dataset.saved : told.dataset.unsaved;
  if (!answer?.ok) return plan(SAVE_AGAIN_MILLISECONDS);
  result.dataset.draft = "";
  forgetDrafts(result);
}

function plan(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(() => { timer = 0; result.underWay = save(); }, milliseconds);
}

result.addEventListener("input", ({ target }) => {
  if (target !== field.reason) plan(SAVE_MILLISECONDS);
});
result.addEventListener("submit", () => { clearTimeout(timer); timer = 0; });
addEventListener("pagehide", () => { if (timer) save({ keepalive: true }); });

// --- what others do meanwhile, and what became of it ---
result.addEventListener("refused", () => { result.dataset.told = ""; changed(); aim(); });
document.addEventListener("htmx:after:swap", () => {
  if ("told" in result.dataset) aim();
  if ("done" in result.dataset) showResult();
});
result.addEventListener("posted", () => {
  for (const part of parts) part.defaultValue = part.value;
  field.reason.value = result.querySelector(".saved").textContent = "";
  delete result.dataset.draft;
  delete result.dataset.told;
  result.hidden = true;
  result.dataset.done = "";
  showResult();
});

// It is there only once its part of the page was renewed.
function showResult() {
  const shown = document.getElementById("result");
  shown.focus();
  if (document.activeElement === shown) delete result.dataset.done;
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-write], [data-take], [data-adopt], [data-normal], [data-hide], [data-dialog=cancel-result]");
  if (!button) return;
  const { write, take, adopt: uid, normal, dialog } = button.dataset;
  if ("hide" in button.dataset) return hide();
  if (dialog) {
    document.querySelector("#cancel-result [name=over]").value = document.querySelector("#result [data-version]").dataset.version;
    return;
  }
  if (normal) sayNormal(normal);
  else if (uid) adopt(button.dataset, button.closest(".answer").querySelector("blockquote")?.textContent ?? "");
  else if (take) (isMine() ? add : put)(JSON.parse(take));
  else if (!isMine()) put(JSON.parse(write || result.dataset.beginning));
  if (normal || uid || take) written();
  if (!normal) open();
});

if (parts.some((part) => part.value !== part.defaultValue)) open(); // what a session that ended has left unsaved
