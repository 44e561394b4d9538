// Whether a picture came, and why one did not: shared by all pages that load some.
"use strict";

// Loads a picture; answers its address where it did not come. One that is wanted no more has come.
const wantedNoMore = new WeakMap();
function load(image, address) {
  wantedNoMore.get(image)?.();
  return new Promise((done) => {
    wantedNoMore.set(image, () => done(null));
    image.onload = () => done(null);
    image.onerror = () => done(address);
    image.src = address;
  });
}

// Where the session has ended the sign-in page answers in the place of what was asked.
function ended(answer) {
  if (answer.redirected) location.assign("/login");
  return answer.redirected;
}

// What the studio says of a picture that did not come.
async function refusal(address) {
  try {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (ended(answer)) return "sign in again.";
    if (answer.ok) return "load the page again.";
    return (await answer.json().catch(() => null))?.error ?? `the studio answered ${answer.status}.`;
  } catch {
    return "is the studio still running? Load the page again.";
  }
}
