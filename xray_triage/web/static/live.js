// Keeps a page live: told of changes by /events, it has htmx renew whatever waits for the event `changed`; says when
// the program is gone, and rings for news. It must never know what is on the page.
"use strict";

const POLL_MILLISECONDS = 2000, AGE_MILLISECONDS = 60000, AGAIN_MILLISECONDS = 5000, FIRST_MILLISECONDS = 3000, FOLD_MILLISECONDS = 10000;
const lost = document.getElementById("lost");
const csrf = document.querySelector("meta[name=csrf-token]").content;
let stream = null, polling = 0, again = 0, isLeaving = false;

// A browser has six connections to a station: what the page calls `data-first` has them until it says `settled`, but not
// for ever. The rest of the page was whole a moment ago; only news does not wait.
let first = document.querySelector("[data-first]"), missed = false;

function changed() {
  missed = Boolean(first);
  if (first) htmx.trigger("#news", "news");
  else htmx.trigger(document.body, "changed");
}

function settle() {
  first = null;
  if (missed) changed();
}

document.addEventListener("settled", settle);
setTimeout(settle, FIRST_MILLISECONDS);

function connect() {
  clearTimeout(again);
  stream?.close();
  stream = new EventSource("/events");
  stream.onopen = () => {
    clearInterval(polling);
    polling = 0;
    changed();
  };
  stream.addEventListener("changed", changed);
  stream.onerror = () => {
    polling ||= setInterval(changed, POLL_MILLISECONDS);
    // A stream that was refused, for there are too many, does not come back by itself.
    if (stream.readyState === EventSource.CLOSED) again = setTimeout(connect, AGAIN_MILLISECONDS);
  };
}

// A browser has six connections to a station: a page in the background gives its own back, but the one that rings.
document.addEventListener("visibilitychange", () => {
  if (document.getElementById("list")) return;
  if (document.hidden) stream?.close();
  else connect();
});

htmx.config.defaultTimeout = 15000;
htmx.config.morphIgnore.push("open", "data-chosen", "data-lit"); // what somebody opened or chose stays so when its part is renewed
htmx.config.morphSkip = ".error"; // and what somebody was told stays told
document.addEventListener("htmx:config:request", (event) => {
  const { request, sourceElement } = event.detail.ctx;
  if (isLeaving) event.preventDefault();
  request.headers["X-CSRF-Token"] = csrf;
  if (sourceElement.etag) request.headers["If-None-Match"] = sourceElement.etag;
});
document.addEventListener("htmx:after:request", (event) => {
  const { response, sourceElement } = event.detail.ctx;
  lost.hidden = true;
  if (response.status === 401 && !isLeaving) leaveForLogin();
  if (response.raw.redirected) location.reload();
  if (response.status >= 400 || response.raw.redirected) event.preventDefault(); // what is there is better
  else if (response.status === 200) sourceElement.etag = response.headers.get("ETag");
});
document.addEventListener("htmx:error", () => {
  lost.hidden = isLeaving;
});

// Who signs out asks for nothing more, and is not told that what was under way came too late.
document.querySelector("form[action='/sign-out']")?.addEventListener("submit", () => {
  isLeaving = true;
  stream?.close();
  for (const part of document.querySelectorAll("[hx-get]")) htmx.trigger(part, "htmx:abort");
});

// --- what rings ---
const mute = document.getElementById("mute");
const news = document.getElementById("news");
const rings = { urgent: [880, 0, 880, 0, 880], answer: [660, 880] }; // hertz, a sixth of a second each
const wake = document.getElementById("wake"), audio = makeAudio();
const spread = new Set(); // the news that nobody here was there for: it lies at the foot of the page, the rest over the name in the bar
let flashing = 0;

function makeAudio() {
  try { return new AudioContext(); } catch { return null; } // a browser without sound: everything else works
}

function foldNews() {
  spread.clear();
  showNews();
}

const inMind = {}; // where a browser keeps nothing

function remembered(key) {
  try { return localStorage.getItem(key); } catch { return inMind[key] ?? null; }
}

function remember(key, value) {
  inMind[key] = value;
  try { localStorage.setItem(key, value); } catch { /* then only until the page is left */ }
}

function showMute() {
  if (!audio) {
    wake.querySelector("span").textContent = wake.title = wake.dataset.silent;
    wake.disabled = true;
    wake.hidden = false;
    return;
  }
  const muted = remembered("muted") === "yes";
  mute.setAttribute("aria-pressed", String(muted));
  mute.hidden = false;
  wake.hidden = muted || audio.state === "running";
}

function ring(kind) {
  if (!audio || remembered("muted") === "yes") return;
  rings[kind].forEach((hertz, place) => {
    if (!hertz) return;
    const tone = audio.createOscillator(), loudness = audio.createGain();
    const start = audio.currentTime + place / 6;
    tone.frequency.value = hertz;
    loudness.gain.setValueAtTime(0.25, start);
    loudness.gain.exponentialRampToValueAtTime(0.001, start + 1 / 6);
    tone.connect(loudness).connect(audio.destination);
    tone.start(start);
    tone.stop(start + 1 / 6);
  });
  document.documentElement.dataset.rang = kind;
}

function flash(word) {
  const title = document.title.replace(/^● .* · /, "");
  clearInterval(flashing);
  document.title = `● ${word} · ${title}`;
  flashing = setInterval(() => {
    document.title = document.title === title ? `● ${word} · ${title}` : title;
  }, 1000);
  const stop = () => {
    clearInterval(flashing);
    document.title = title;
    setTimeout(foldNews, FOLD_MILLISECONDS);
  };
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, stop, { once: true });
}

// Only what no doctor has seen is news, wherever they saw it: a number above the one heard last here rings.
function hear(kind) {
  const item = document.getElementById(`${kind}-news`);
  const number = Number(item?.dataset.number || 0), known = Number(remembered(`heard-${kind}`) || 0);
  if (number !== known) remember(`heard-${kind}`, number);
  if (number <= known) return;
  spread.add(kind);
  ring(kind);
  flash(item.dataset.title);
}

function showNews() {
  for (const kind of ["urgent", "answer"]) {
    hear(kind);
    const item = document.getElementById(`${kind}-news`);
    if (!item) continue;
    const isHere = item.querySelector("a")?.pathname === location.pathname; // the page shows it already
    item.hidden = isHere || remembered(`closed-${kind}`) === item.dataset.number; // until seen on any browser, or closed here
    item.className = `banner ${kind === "urgent" ? "bad" : "good"}${spread.has(kind) ? "" : " folded"}`;
    if (item.querySelector("button")) continue;
    const close = Object.assign(document.createElement("button"), { className: "small", textContent: news.dataset.close });
    close.addEventListener("click", () => {
      remember(`closed-${kind}`, item.dataset.number);
      item.hidden = true;
    });
    item.append(close);
  }
}

if (news) {
  showMute();
  audio?.addEventListener("statechange", showMute);
  mute.addEventListener("click", () => {
    remember("muted", mute.getAttribute("aria-pressed") === "true" ? "no" : "yes");
    showMute();
  });
  // Browsers make no sound before somebody has touched the page: until then it says so.
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => audio?.resume(), { once: true });
  news.addEventListener("htmx:after:swap", showNews);
  setInterval(changed, AGE_MILLISECONDS); // ages are told in minutes
  connect();
}
