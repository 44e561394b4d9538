// Parts of a page that are asked for again while it stays open.
"use strict";

const EVERY_MS = 3000;

async function renew(part) {
  const answer = await fetch(part.dataset.live, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const text = await answer.text();
  // What somebody is using is left alone until they have moved on.
  if (text === part.dataset.shown || part.contains(document.activeElement)) return;
  part.dataset.shown = text;
  const fresh = new DOMParser().parseFromString(text, "text/html");
  part.replaceChildren(...fresh.body.childNodes);
}

function busy(part) {
  return "always" in part.dataset || part.querySelector(".pill.training, .pill.running, .pill.stopping");
}

setInterval(() => {
  if (document.hidden) return;
  for (const part of document.querySelectorAll("[data-live]")) {
    if (busy(part)) renew(part).catch(() => {});
  }
}, EVERY_MS);
