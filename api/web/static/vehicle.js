"use strict";
// The plots of a vehicle: tyres, cells against their pack, charge, temperature, speed; one range for all.

const root = document.getElementById("plots");
const vin = root.dataset.vin;
const say = JSON.parse(root.dataset.words);
const wheels = JSON.parse(root.dataset.wheels);
const placard = JSON.parse(root.dataset.placard);
const options = { sync: "vehicle", zone: root.dataset.zone };
let days = 14;

async function fetchFamily(family, points, extra = "") {
  const until = new Date();
  const since = new Date(until - days * 86400e3);
  const query = new URLSearchParams({ family, from: since.toISOString(), to: until.toISOString(), max_points: points });
  const answer = await fetch(`/api/v1/vehicles/${vin}/readings?${query}${extra}`);
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

function show(name, data, draw) {
  const figure = document.getElementById(`plot-${name}`);
  const box = figure.querySelector("[data-canvas]");
  if (!data.time.length) {
    drawn.get(box)?.destroy();
    drawn.delete(box);
    box.textContent = say.no_data;
    figure.classList.add("bare");
    return;
  }
  figure.classList.remove("bare");
  figure.querySelector("[data-note]").textContent = data.origin === "real" ? "" : document.querySelector(".badge.origin")?.textContent ?? "";
  draw(box, data.time.map((time) => time / 1000));
}

function quantile(sorted, share) {
  const at = (sorted.length - 1) * share, low = Math.floor(at);
  return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (at - low);
}

/** Deviation of each cell from the pack's median in mV: quantiles, extremes, and the cells under suspicion. */
function spread(matrix, suspects) {
  const out = { low: [], high: [], q05: [], q95: [], suspects: suspects.map(() => []) };
  for (const cells of matrix) {
    const heard = cells.filter((v) => v !== null).sort((a, b) => a - b);
    const middle = heard.length ? quantile(heard, 0.5) : null;
    const dev = (v) => v === undefined || v === null || middle === null ? null : (v - middle) * 1000;
    out.low.push(dev(heard[0]));
    out.high.push(dev(heard.at(-1)));
    out.q05.push(heard.length ? dev(quantile(heard, 0.05)) : null);
    out.q95.push(heard.length ? dev(quantile(heard, 0.95)) : null);
    suspects.forEach((cell, i) => out.suspects[i].push(dev(cells[cell - 1])));
  }
  return out;
}

async function load() {
  const [tire, cell, drive] = await Promise.all([fetchFamily("tire", 800), fetchFamily("cell", 500), fetchFamily("drive", 1200, "&signals=soc,speed")]);
  const suspected = new Set([...document.querySelectorAll("[data-component^='tire ']")].map((e) => e.dataset.component.slice(5)));
  const drawWheels = (signal) => wheels.map((wheel, i) => ({
    label: say[wheel] ?? wheel, values: tire.series[`${signal}:${wheel}`],
    ...(suspected.has(wheel) ? { colour: "--S1", width: 2.5 } : { colour: PALETTE[i] }),
  }));
  show("tires", tire, (box, times) => plot(box, times, [
    ...drawWheels("tire.pressure"),
    { label: say.placard, values: times.map(() => placard[0]), colour: "--ink-2", dash: [4, 4], width: 1 },
  ], { ...options, unit: "kPa" }));
  show("temperature", tire, (box, times) => plot(box, times, drawWheels("tire.temperature"), { ...options, unit: "°C" }));
  const suspects = [...new Set([...document.querySelectorAll("[data-component^='cell ']")].map((e) => Number(e.dataset.component.slice(5))))];
  show("cells", cell, (box, times) => {
    const s = spread(cell.voltage, suspects);
    plot(box, times, [
      { label: say.cell_high, values: s.high, colour: "--series-2", width: 1 },
      { label: say.cell_middle_high, values: s.q95, colour: "--series-1", width: 1 },
      { label: say.cell_middle_low, values: s.q05, colour: "--series-1", width: 1 },
      { label: say.cell_low, values: s.low, colour: "--series-3", width: 1 },
      ...suspects.map((n, i) => ({ label: say.cell.replace("{n}", n), values: s.suspects[i], colour: "--S1", width: 2.5 })),
    ], { ...options, unit: "mV", bands: [{ series: [2, 3], fill: "--band" }] });
  });
  const only = (alias) => ({ ...drive, time: drive.series[alias] ? drive.time : [] });
  show("soc", only("soc"), (box, times) => plot(box, times, [{ label: say.soc, values: drive.series.soc }], { ...options, unit: "%" }));
  show("speed", only("speed"), (box, times) => plot(box, times, [{ label: say.speed, values: drive.high.speed ?? drive.series.speed }], { ...options, unit: "km/h" }));
}

function reload() {
  load().catch((error) => {
    for (const box of root.querySelectorAll("[data-canvas]")) if (!drawn.has(box)) box.textContent = error.message;
  });
}
document.getElementById("range").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  days = Number(button.dataset.days);
  for (const other of button.parentElement.children) other.toggleAttribute("aria-pressed", false);
  button.setAttribute("aria-pressed", "true");
  reload();
});
addEventListener("themechange", reload);
reload();
