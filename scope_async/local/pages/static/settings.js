// Copying, and a few comforts; all else works without this file.
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
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("copying is not allowed");
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  const label = button.querySelector("span");
  const text = label?.textContent;
  let timer;
  button.addEventListener("click", async () => {
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
    clearTimeout(timer);
    timer = setTimeout(() => {
      button.classList.remove("done");
      if (label) label.textContent = text;
      said.textContent = "";
    }, 3000);
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
