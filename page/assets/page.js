"use strict";

// Takes over from the server, every two seconds, what has changed. Without it, the page is as it
// was loaded.

const EVERY = 2000;

// An answer takes seconds where the queue is slow; after this none comes.
const PATIENCE = 30_000;

// Whoever is about to press a button there must not find another under the finger, nor lose what they
// have selected to copy it. The sentence on top always says how it stands.
function isHeld(part) {
  const held = part.dataset.part === "held" || part.id === "who";
  const selection = getSelection();
  return part.querySelector(":active") !== null ||
    (part.id !== "sentence" && !selection.isCollapsed && selection.containsNode(part, true)) ||
    (held && (part.contains(document.activeElement) || part.querySelector("details[open]") !== null));
}

async function refresh() {
  const answer = await fetch("./", { signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) throw new Error(answer.statusText);
  const news = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.title = news.title;
  for (const part of document.querySelectorAll("[data-part]")) {
    const fresh = news.getElementById(part.id);
    if (!fresh || fresh.isEqualNode(part) || isHeld(part)) continue;
    if ((fresh.dataset.state ?? "") !== (part.dataset.state ?? "")) {
      document.getElementById("said").textContent = fresh.lastElementChild.textContent;
    }
    part.replaceWith(fresh);
  }
}

async function keepFresh() {
  if (!document.hidden) {
    const lost = document.getElementById("lost");
    try {
      await refresh();
      lost.hidden = true;
    } catch {
      lost.hidden = false;
    }
  }
  setTimeout(keepFresh, EVERY);
}

setTimeout(keepFresh, EVERY);
