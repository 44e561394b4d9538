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
  const active = part.contains(document.activeElement) ? document.activeElement : null;
  const link = active && active.getAttribute("href");
  // A field that somebody is using is left alone until they have moved on; a link is found again.
  if (text === part.dataset.shown || (active && !link)) return;
  part.dataset.shown = text;
  const fresh = new DOMParser().parseFromString(text, "text/html");
  part.replaceChildren(...fresh.body.childNodes);
  const again = [...part.querySelectorAll("a")].find((one) => one.getAttribute("href") === link);
  if (link && again) again.focus({ preventScroll: true });
}

let ticks = 0;

setInterval(() => {
  if (document.hidden) return;
  ticks += 1;
  const busy = document.querySelector(".pill.training, .pill.running, .pill.stopping");
  if (!busy && ticks % IDLE_TICKS) return;
  for (const part of document.querySelectorAll("[data-live]")) renew(part).catch(() => {});
}, EVERY_MS);
