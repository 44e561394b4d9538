// The sample browser: images, the chosen one, ways to another or to another class, closest films.
"use strict";

const bench = at("bench");
const model = bench.dataset.model;
const towards = [...document.querySelectorAll("#towards button")];
const films = [...document.querySelectorAll("#tiles .film")];
const className = (label) =>
  document.querySelector(`input[name="label"][value="${label}"]`).parentElement.textContent.trim();
let shown = { ...wanted };
let chosen = null;
let target = null;
let picking = false;
let playing = null;
const tellOfWalk = teller();

const same = (a, b) => a && b && query(a) === query(b);

async function draw(now) {
  const loaded = await Promise.all(
    films.map((film, place) => {
      const image = film.firstElementChild;
      const index = now.first + place;
      image.alt = `Synthetic ${className(now.label)}, image ${index}`;
      return load(image, `${model}/image?${query({ ...now, index })}`);
    }),
  );
  shown = now;
  mark();
  return loaded.find(Boolean);
}

const asked = (place) => ({ label: shown.label, seed: shown.seed, psi: shown.psi, index: shown.first + place });

function mark() {
  films.forEach((film, place) => film.setAttribute("aria-pressed", String(Boolean(same(asked(place), chosen)))));
}

function stopPicking() {
  picking = false;
  bench.classList.remove("picking");
}

function stopPlaying() {
  playing = null;
  at("play").textContent = "Play";
}

async function choose(place, byKey) {
  stopPlaying();
  if (picking) {
    stopPicking();
    walkTo(asked(place));
    return;
  }
  const mine = (chosen = asked(place));
  mark();
  for (const button of towards) button.disabled = Number(button.dataset.label) === chosen.label;
  at("chosen").hidden = false;
  at("walk-panel").hidden = true;
  if (at("closest-panel")) at("closest-panel").hidden = true;
  // On a phone it lies below the images.
  if (at("chosen").getBoundingClientRect().top > innerHeight) at("chosen").scrollIntoView({ block: "start" });
  const address = `${model}/image?${query(chosen)}`;
  at("large").src = address;
  at("large").alt = films[place].firstElementChild.alt;
  at("download").href = `${address}&download=1`;
  if (byKey) at("chosen-title").focus();
  const answer = await fetch(`${model}/facts?${query(chosen)}`, { headers: { Accept: "application/json" } });
  if (ended(answer) || !answer.ok) return;
  const { facts } = await answer.json();
  if (chosen !== mine) return;
  const rows = ["Class", "Seed", "Index", "Psi", "Model-SHA256"].flatMap((name) => {
    const [term, value] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name === "Psi" ? "ψ" : name === "Model-SHA256" ? "Model" : name;
    value.textContent = name === "Model-SHA256" ? facts[name].slice(0, 16) + "…" : facts[name];
    return [term, value];
  });
  at("facts").replaceChildren(...rows);
}

function walkTo(end) {
  target = end;
  at("walk-panel").hidden = false;
  at("walk-to").textContent = `${target.index} (${className(target.label)}, seed ${target.seed})`;
  at("said").textContent = "";
  at("step").value = 0;
  showStep();
  at("step").focus();
}

async function showStep() {
  const step = at("step").value;
  at("between").alt = `Synthetic image, ${step} of ${at("step").max} steps on the way`;
  const address = `${model}/walk?${query(chosen)}&${query(target, "to_")}&step=${step}`;
  const missing = await load(at("between"), address);
  if (missing) stopPlaying();
  const text = missing ? await notDrawn(missing) : "";
  if (at("step").value === step) tellOfWalk(text);
}

async function play() {
  const [step, most] = [at("step"), Number(at("step").max)];
  if (playing) {
    stopPlaying();
    return;
  }
  const mine = (playing = {});
  at("play").textContent = "Stop";
  for (let n = 1; playing === mine; n += 1) {
    const place = n % (2 * most);
    step.value = place > most ? 2 * most - place : place;
    await showStep();
    await new Promise((done) => setTimeout(done, 80));
  }
}

async function showClosest() {
  const mine = chosen;
  const answer = await fetch(`${model}/closest?${query(chosen)}`, { headers: { Accept: "application/json" } });
  if (ended(answer)) return;
  const found = await answer.json();
  if (chosen !== mine) return;
  if (!answer.ok) {
    at("said").textContent = found.error;
    return;
  }
  const items = found.similarity.map((value, rank) => {
    const [item, figure, image, caption] = ["li", "figure", "img", "figcaption"].map((tag) => document.createElement(tag));
    image.src = `${model}/closest-film?${query(chosen)}&rank=${rank}`;
    image.alt = `Real training film, correlation ${value.toFixed(3)}`;
    caption.textContent = value.toFixed(3);
    figure.append(image, caption);
    item.append(figure);
    return item;
  });
  at("closest-films").replaceChildren(...items);
  at("closest-panel").hidden = false;
}

// A click that no pointer made has no count: the keyboard is taken to what was chosen.
films.forEach((film, place) => film.addEventListener("click", (event) => choose(place, event.detail === 0)));
at("tiles").addEventListener("keydown", (event) => {
  const place = films.indexOf(document.activeElement);
  const columns = getComputedStyle(at("tiles")).gridTemplateColumns.split(" ").length;
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  if (place < 0 || !by || !films[place + by]) return;
  event.preventDefault();
  films[place + by].focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && picking) {
    stopPicking();
    at("said").textContent = "";
  }
});
at("walk").addEventListener("click", () => {
  picking = true;
  bench.classList.add("picking");
  at("said").textContent = "Choose the image to end at; class, seed and ψ may be turned first. Escape leaves it.";
  films[0].focus();
});
for (const button of towards) {
  button.addEventListener("click", () => {
    stopPicking();
    walkTo({ ...chosen, label: Number(button.dataset.label) });
  });
}
at("step").addEventListener("input", showStep);
at("play").addEventListener("click", play);
if (at("closest")) at("closest").addEventListener("click", showClosest);
drawWith(draw, films.length);
