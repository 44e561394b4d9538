// Class, seed, truncation and page of images: shared by the browser and the comparison.
"use strict";

const at = (id) => document.getElementById(id);
const MOST_SEED = 2147483647;
const SLOW_MS = 800;
const wanted = { label: 0, seed: 0, first: 0, psi: 1 };

// Says something; no text takes back what was said here, not by others meanwhile.
function teller() {
  let told = "";
  return (text) => {
    if (text || at("said").textContent === told) at("said").textContent = text;
    told = text;
  };
}

const notDrawn = async (address) => `Not drawn: ${await refusal(address)}`;

// One round at a time; whatever was turned meanwhile is drawn in the next one. `draw` answers the
// address of a picture that did not come.
function drawWith(draw, count) {
  let drawing = false;
  let again = false;
  const tell = teller();
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
      const missing = await draw({ ...wanted });
      clearTimeout(slow);
      tell(missing ? await notDrawn(missing) : "");
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
