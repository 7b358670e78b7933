"use strict";
// Keys of the day board: arrows go from appointment to appointment, comma and full stop from day to day, t to today.

document.getElementById("chooser")?.addEventListener("change", (event) => event.currentTarget.submit());

function rows() {
  return [...document.querySelectorAll("#board tr.lane, #board .road")]
    .map((row) => [...row.querySelectorAll("a.slot")]).filter((blocks) => blocks.length);
}
function middle(block) {
  const box = block.getBoundingClientRect();
  return (box.left + box.right) / 2;
}
function nearest(blocks, x) {
  return blocks.reduce((best, block) => (Math.abs(middle(block) - x) < Math.abs(middle(best) - x) ? block : best));
}
function step(key, from) {
  const all = rows();
  const row = all.findIndex((blocks) => blocks.includes(from));
  if (row < 0) return all[0]?.[0];
  const at = all[row].indexOf(from);
  if (key === "ArrowLeft") return all[row][at - 1];
  if (key === "ArrowRight") return all[row][at + 1];
  const next = all[row + (key === "ArrowDown" ? 1 : -1)];
  return next && nearest(next, middle(from));
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, button")) return;
  const day = { ",": "before", ".": "after", t: "today" }[event.key];
  if (day) document.querySelector(`[data-day=${day}]`)?.click();
  if (!event.key.startsWith("Arrow")) return;
  const next = step(event.key, document.activeElement);
  if (!next) return;
  event.preventDefault();
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest", inline: "nearest" });
});
