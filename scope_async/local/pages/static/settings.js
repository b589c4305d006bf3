// Copying, filters that apply at once, and a few comforts; all else works without this file.
"use strict";

const said = document.getElementById("said");

async function copyText(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Browsers give pages on plain http:// no clipboard, unless they come from this machine.
  const area = document.createElement("textarea");
  area.value = text;
  (document.querySelector("dialog") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("copying is not allowed");
}

async function copy(button) {
  const label = button.querySelector("span");
  if (label) label.dataset.text ??= label.textContent;
  const what = button.getAttribute("aria-label").replace(/^Copy /, "");
  let done = true;
  try {
    await copyText(document.getElementById(button.dataset.copy).textContent);
  } catch {
    done = false;
  }
  button.focus();
  button.classList.toggle("done", done);
  if (label) label.textContent = done ? "Copied" : "Not copied";
  said.textContent = done ? `Copied ${what}` : `Not copied: ${what}. Select the text and copy it yourself.`;
  clearTimeout(button.timer);
  button.timer = setTimeout(() => {
    button.classList.remove("done");
    if (label) label.textContent = label.dataset.text;
    said.textContent = "";
  }, 3000);
}

function showCopyButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
}

showCopyButtons();
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});

const filter = document.getElementById("filter");
let request = new AbortController();
let timer;

function address(form) {
  const url = new URL(form.action);
  const fields = [...new FormData(form)].filter(([, value]) => value !== "");
  url.search = new URLSearchParams(fields);
  return url;
}

async function applyFilter() {
  clearTimeout(timer);
  request.abort();
  request = new AbortController();
  const url = address(filter);
  const results = document.getElementById("results");
  results.classList.add("loading");
  try {
    const response = await fetch(url, { signal: request.signal });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const found = page.getElementById("results");
    if (!found) throw new Error("this is another page, such as the one to sign in");
    results.replaceWith(document.adoptNode(found));
    history.replaceState(null, "", url);
    showCopyButtons();
    said.textContent = document.getElementById("range")?.textContent ?? found.querySelector("h2").textContent;
  } catch (error) {
    if (error.name !== "AbortError") location.assign(url);
  }
}

if (filter) {
  document.getElementById("apply").hidden = true;
  filter.addEventListener("submit", (event) => {
    event.preventDefault();
    applyFilter();
  });
  filter.addEventListener("change", applyFilter);
  filter.addEventListener("input", (event) => {
    clearTimeout(timer);
    if (event.target.type === "search") timer = setTimeout(applyFilter, 200);
  });
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented) document.querySelector("[data-cancel]")?.click();
});

// Leaving by accident would lose the secret for good.
addEventListener("beforeunload", (event) => {
  const stored = document.getElementById("stored");
  if (stored && !stored.checked) event.preventDefault();
});

// A browser may keep a page it has left, to go back to: not with a secret on it.
addEventListener("pagehide", () => {
  for (const element of document.querySelectorAll("[data-secret]")) element.remove();
});
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
