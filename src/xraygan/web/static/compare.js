// Two models, drawn from the same numbers.
"use strict";

const bench = at("bench");
const numbers = bench.dataset.numbers.split(" ").map((pair) => pair.split("-").map(Number));
const sides = ["a", "b"].map((letter) => ({
  model: bench.dataset[letter],
  images: [...document.querySelectorAll(`[data-side="${letter}"] img`)],
  name: letter.toUpperCase(),
}));

async function draw(now) {
  const loaded = sides.flatMap(({ model, images, name }, side) =>
    images.map((image, place) => {
      const index = now.first + place;
      image.alt = `Model ${name}, image ${index}`;
      return load(image, `${model}/image?${query({ ...now, label: numbers[now.label][side], index })}`);
    }),
  );
  return (await Promise.all(loaded)).find(Boolean);
}

drawWith(draw, sides[0].images.length);
