// Reading: one image, R or S, the next one. Time counts from when the image can be seen.
"use strict";

const reader = document.getElementById("reader");
const film = document.getElementById("film");
const buttons = [...document.querySelectorAll("#answers button")];
const said = document.getElementById("said");
const total = Number(reader.dataset.total);
let next = reader.dataset.next;
let answered = Number(reader.dataset.answered);
let since = null; // when the image was last in sight
let looked = 0; // milliseconds in sight before that, at another load of the page too
let sending = false;

const inSight = () => since !== null && !document.hidden;
const elapsed = () => Math.round(looked + (inSight() ? performance.now() - since : 0));
const kept = () => `looked:${reader.dataset.address}:${next}`;

function show() {
  document.getElementById("place").textContent = Math.min(answered + 1, total);
  document.getElementById("progress").value = answered;
  since = null;
  looked = Number(sessionStorage.getItem(kept())) || 0;
  if (!next) {
    film.hidden = true;
    document.getElementById("answers").hidden = true;
    document.getElementById("done").hidden = false;
    document.getElementById("done-title").focus();
    return;
  }
  film.hidden = true;
  load(film, `${reader.dataset.address}/image/${next}`).then(async (missing) => {
    if (missing) {
      said.textContent = `The image did not come: ${await refusal(missing)}`;
      said.classList.remove("unseen");
      return;
    }
    film.hidden = false;
    since = performance.now();
    said.textContent = `Image ${answered + 1} of ${total}`;
  });
}

async function answer(what) {
  if (sending || !next || film.hidden) return;
  sending = true;
  const fields = {
    form_token: document.querySelector('meta[name="form-token"]').content,
    image: next,
    said: what,
    milliseconds: Math.min(elapsed(), 3600000),
  };
  try {
    const reply = await fetch(`${reader.dataset.address}/answer`, {
      method: "POST",
      body: new URLSearchParams(fields),
      headers: { Accept: "application/json" },
    });
    if (reply.status === 401) {
      location.assign("/login"); // the session has ended
      return;
    }
    const result = await reply.json();
    if (!reply.ok) {
      said.classList.remove("unseen");
      said.textContent = `The answer was not saved: ${result.error}`;
      return;
    }
    sessionStorage.removeItem(kept());
    next = result.next;
    answered = result.answered;
    said.classList.add("unseen");
    show();
  } catch {
    said.classList.remove("unseen");
    said.textContent = "The answer was not saved: is the studio still running? Load the page again.";
  } finally {
    sending = false;
  }
}

document.addEventListener("visibilitychange", () => {
  if (since === null) return;
  if (document.hidden) looked += performance.now() - since;
  else since = performance.now();
});
addEventListener("pagehide", () => {
  if (next && elapsed()) sessionStorage.setItem(kept(), elapsed());
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  // Where the layout has other letters, the keys at the place of R and S.
  const pressed = /^[a-z]$/i.test(event.key) ? event.key.toLowerCase() : event.code.slice(3).toLowerCase();
  const what = { r: "real", s: "synthetic" }[pressed];
  // A key that is held answers one image, a button's too.
  if (event.repeat && (what || event.key === "Enter" || event.key === " ")) event.preventDefault();
  else if (what) answer(what);
});
for (const button of buttons) button.addEventListener("click", () => answer(button.dataset.said));
show();
