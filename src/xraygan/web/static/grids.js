// Sample grids of a run, by a slider over the thousands of images seen.
"use strict";

document.addEventListener("input", ({ target: moment }) => {
  if (moment.id !== "moment") return;
  const number = Number(moment.dataset.grids.split(" ")[moment.valueAsNumber]);
  document.getElementById("moment-value").textContent = Math.round(1000 * number).toLocaleString("en");
  document.getElementById("grid").src = `/runs/${moment.dataset.run}/grids/${number}.png`;
});
