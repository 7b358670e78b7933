"use strict";
// Keys of the station inbox: j and k (or the arrows) move, Enter opens.

let chosen = 0;
function rows() { return [...document.querySelectorAll("#inbox tr[data-order]")]; }
function mark() {
  const all = rows();
  chosen = Math.max(0, Math.min(chosen, all.length - 1));
  all.forEach((row, i) => row.toggleAttribute("data-chosen", i === chosen));
  all[chosen]?.scrollIntoView({ block: "nearest" });
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, button, a")) return;
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    chosen += step;
    mark();
  } else if (event.key === "Enter") {
    rows()[chosen]?.querySelector("a").click();
  }
});
document.body.addEventListener("htmx:afterSwap", mark);
mark();
