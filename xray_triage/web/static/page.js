// The page's only script: renews the parts marked data-live, and sends the forms marked data-post as JSON.
"use strict";

const RENEW_MILLISECONDS = 2000;

async function renew(part) {
  const headers = part.dataset.tag ? { "If-None-Match": part.dataset.tag } : {};
  const answer = await fetch(part.dataset.live, { headers, cache: "no-store" });
  if (answer.status === 304) return;
  if (!answer.ok) throw new Error(String(answer.status));
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  part.innerHTML = await answer.text();
  part.dataset.tag = answer.headers.get("ETag") || "";
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function countInTitle() {
  const urgent = document.querySelector("[data-urgent]")?.dataset.urgent || "0";
  document.title = (urgent === "0" ? "" : `(${urgent}) `) + document.title.replace(/^\(\d+\) /, "");
}

async function renewAll() {
  if (document.visibilityState === "visible") {
    let lost = false;
    try {
      await Promise.all([...document.querySelectorAll("[data-live]")].map(renew));
      countInTitle();
    } catch {
      lost = true;
    }
    document.getElementById("lost").hidden = !lost;
  }
  setTimeout(renewAll, RENEW_MILLISECONDS);
}

function valuesOf(form) {
  const values = {};
  for (const [name, value] of new FormData(form)) {
    const isBoolean = form.querySelector(`[name="${name}"]`).dataset.type === "boolean";
    values[name] = isBoolean ? value === "true" : value;
  }
  return values;
}

async function post(form) {
  const button = form.querySelector("button");
  const error = form.querySelector(".error");
  button.disabled = true;
  error.hidden = true;
  try {
    const answer = await fetch(form.dataset.post, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "X-CSRF-Token": document.querySelector("meta[name=csrf-token]").content,
      },
      body: JSON.stringify(valuesOf(form)),
    });
    if (answer.ok) {
      location.reload();
      return;
    }
    const told = (await answer.json()).detail;
    error.textContent = "Không gửi được: " + (typeof told === "string" ? told : "hãy kiểm tra lại nội dung.");
  } catch {
    error.textContent = "Không gửi được: chương trình không trả lời. Hãy thử lại.";
  }
  error.hidden = false;
  button.disabled = false;
}

for (const form of document.querySelectorAll("[data-post]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    post(form);
  });
}
countInTitle();
setTimeout(renewAll, RENEW_MILLISECONDS);
