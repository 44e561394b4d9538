// Sample grids of a run, by a slider over the thousands of images seen.
"use strict";

const moment = document.getElementById("moment");
if (moment) {
  const numbers = moment.dataset.grids.split(" ").map(Number);
  moment.addEventListener("input", () => {
    const number = numbers[moment.valueAsNumber];
    document.getElementById("moment-value").textContent = number.toLocaleString("en");
    document.getElementById("grid").src = `/runs/${moment.dataset.run}/grids/${number}.png`;
  });
}
