"use strict";
// Theme, data ages that go on counting, and the notice that the live stream is gone.

document.querySelector("[data-theme-toggle]").addEventListener("click", () => {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  try { localStorage.setItem("theme", root.dataset.theme); } catch { /* for this page only */ }
  dispatchEvent(new Event("themechange"));
});

const ages = JSON.parse(document.body.dataset.ages);
function ago(seconds) {
  for (const [unit, length] of [["days", 86400], ["hours", 3600], ["minutes", 60]]) {
    if (seconds >= length) return ages[unit].replace("{n}", Math.floor(seconds / length));
  }
  return ages.seconds.replace("{n}", Math.max(0, Math.floor(seconds)));
}

const seen = new WeakMap();
setInterval(() => {
  for (const element of document.querySelectorAll("[data-age]")) {
    if (element.dataset.age === "") continue;
    if (!seen.has(element)) seen.set(element, performance.now() - Number(element.dataset.age) * 1000);
    element.textContent = ago((performance.now() - seen.get(element)) / 1000);
  }
}, 1000);

const offline = document.querySelector("[data-offline]");
let failing;
document.body.addEventListener("htmx:sseError", () => {
  failing ??= setTimeout(() => { offline.hidden = false; }, 5000);
});
document.body.addEventListener("htmx:sseOpen", () => {
  clearTimeout(failing);
  failing = undefined;
  offline.hidden = true;
});
// What was unfolded stays so when the part around it is fetched again.
let unfolded = [];
document.body.addEventListener("htmx:beforeSwap", (event) => {
  unfolded = [...event.detail.target.querySelectorAll("details[open][id]")].map((element) => element.id);
});
document.body.addEventListener("htmx:afterSwap", () => {
  for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
});
// A session that ended answers with a redirect to the login page: go there instead of nesting it.
document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.responseURL && new URL(event.detail.xhr.responseURL).pathname === "/login") {
    event.detail.shouldSwap = false;
    location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
  }
});
