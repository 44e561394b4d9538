// Parts of a page that are asked for again while it stays open.
"use strict";

const EVERY_MS = 3000;
const IDLE_TICKS = 5; // where nothing trains, somebody may begin to

async function renew(part) {
  const answer = await fetch(part.dataset.live, { headers: { Accept: "text/html" } });
  if (answer.redirected) {
    location.reload(); // the session has ended: the whole page asks for the token
    return;
  }
  if (!answer.ok) return;
  const text = await answer.text();
  // What somebody is using is left alone until they have moved on.
  if (text === part.dataset.shown || part.contains(document.activeElement)) return;
  part.dataset.shown = text;
  const fresh = new DOMParser().parseFromString(text, "text/html");
  part.replaceChildren(...fresh.body.childNodes);
}

let ticks = 0;

setInterval(() => {
  if (document.hidden) return;
  ticks += 1;
  const busy = document.querySelector(".pill.training, .pill.running, .pill.stopping");
  if (!busy && ticks % IDLE_TICKS) return;
  for (const part of document.querySelectorAll("[data-live]")) renew(part).catch(() => {});
}, EVERY_MS);
