// Class, seed, truncation and page of images: shared by the browser and the comparison.
"use strict";

const at = (id) => document.getElementById(id);
const MOST_SEED = 2147483647;
const SLOW_MS = 800;
const wanted = { label: 0, seed: 0, first: 0, psi: 1 };

// Loads a picture; answers whether it came. A picture that is wanted no more has come.
const wantedNoMore = new WeakMap();
function load(image, address) {
  wantedNoMore.get(image)?.();
  return new Promise((done) => {
    wantedNoMore.set(image, () => done(true));
    image.onload = () => done(true);
    image.onerror = () => done(false);
    image.src = address;
  });
}

// Where the session has ended the sign-in page answers in the place of what was asked.
function ended(answer) {
  if (answer.redirected) location.assign("/login");
  return answer.redirected;
}

// One round at a time; whatever was turned meanwhile is drawn in the next one.
function drawWith(draw, count) {
  let drawing = false;
  let again = false;
  let told = ""; // what was said here, not by others meanwhile
  const tell = (text) => {
    if (text || at("said").textContent === told) at("said").textContent = text;
    told = text;
  };
  async function go() {
    if (drawing) {
      again = true;
      return;
    }
    drawing = true;
    do {
      again = false;
      const slow = setTimeout(() => {
        tell("Drawing. The first images of a model take some seconds.");
      }, SLOW_MS);
      const came = await draw({ ...wanted });
      clearTimeout(slow);
      tell(came ? "" : "Not drawn: is the studio still running?");
    } while (again);
    drawing = false;
  }
  function turned() {
    wanted.label = Number(document.querySelector('input[name="label"]:checked').value);
    wanted.psi = at("psi").valueAsNumber;
    at("psi-value").textContent = wanted.psi.toFixed(2);
    at("range").textContent = `${wanted.first} to ${wanted.first + count - 1}`;
    at("earlier").disabled = wanted.first === 0;
    go();
  }
  function seed(value) {
    wanted.seed = Math.min(Math.max(Math.trunc(value) || 0, 0), MOST_SEED);
    at("seed-slider").value = wanted.seed;
    at("seed").value = wanted.seed;
    turned();
  }
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  at("seed-slider").addEventListener("input", () => seed(at("seed-slider").valueAsNumber));
  at("seed").addEventListener("change", () => seed(at("seed").valueAsNumber));
  at("psi").addEventListener("input", turned);
  for (const choice of document.querySelectorAll('input[name="label"]')) {
    choice.addEventListener("change", turned);
  }
  const step = (by) => () => {
    wanted.first = Math.max(0, wanted.first + by);
    turned();
  };
  at("earlier").addEventListener("click", step(-count));
  at("later").addEventListener("click", step(count));
  turned();
}

const query = ({ label, seed, index, psi }, prefix = "") =>
  new URLSearchParams(
    Object.entries({ label, seed, index, psi }).map(([name, value]) => [prefix + name, value]),
  ).toString();
