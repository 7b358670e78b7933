"use strict";
// Drawing shared by vehicle and order pages: one look for all plots, and the evidence behind a prediction.

const PALETTE = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6"];
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const drawn = new Map();

// ISO dates and 24 hours everywhere: [step in s, label, and what is added where year, month, day or hour turns].
const DATES = [
  [31536000, "{YYYY}", null, null, null, null, null, null, 1],
  [2419200, "{YYYY}-{MM}", null, null, null, null, null, null, 1],
  [86400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [3600, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
  [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1],
];

/** Draw series = [{label, values, colour?, width?, dash?, fill?}] over times (s); returns the plot. */
function plot(box, times, series, { unit, height = 180, bands = [], sync, zone, decimals } = {}) {
  drawn.get(box)?.destroy();
  box.replaceChildren();
  const grid = { stroke: colour("--grid"), width: 1 };
  const axis = { stroke: colour("--ink-2"), grid, ticks: grid, font: "11px system-ui" };
  const say = JSON.parse(box.closest("[data-words]").dataset.words);
  const format = (value) => value == null ? "–" : `${value.toFixed(decimals ?? (Math.abs(value) >= 100 ? 0 : 1))} ${unit ?? ""}`;
  const newest = (values) => values.findLast((value) => value != null);
  const data = breakAtGaps([times, ...series.map((one) => one.values)]);
  const made = new uPlot({
    width: Math.max(280, box.clientWidth),
    height,
    tzDate: zone ? (stamp) => uPlot.tzDate(new Date(stamp * 1000), zone) : undefined,
    cursor: sync ? { sync: { key: sync } } : {},
    legend: { live: true },
    bands: bands.map((band) => ({ ...band, fill: colour(band.fill) })),
    scales: { x: { time: true } },
    axes: [{ ...axis, values: DATES, space: 60 }, { ...axis, size: 52, values: (_, ticks) => ticks.map((tick) => `${+tick.toFixed(3)}`), label: unit, labelSize: 16, labelFont: "11px system-ui" }],
    series: [
      { label: say.time, value: (_, stamp) => clock(stamp ?? times.at(-1), zone) },
      ...series.map((one, i) => ({
        label: one.label, stroke: colour(one.colour ?? PALETTE[i % PALETTE.length]), width: one.width ?? 1.5,
        dash: one.dash, points: { show: times.length < 60 && !one.dash, size: 4 },
        value: (u, value, i, at) => format(at == null ? newest(u.data[i]) : value),
      })),
    ],
  }, data, box);
  drawn.set(box, made);
  return made;
}

/** Return a time as ISO date and 24 hours in a zone. */
function clock(stamp, zone) {
  return new Date(stamp * 1000).toLocaleString("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" });
}

/** A value that one row lacks is passed over; where no row came for long, the line breaks. */
function breakAtGaps([times, ...columns]) {
  const steps = times.slice(1).map((time, i) => time - times[i]).sort((a, b) => a - b);
  const longest = Math.max(6 * 3600, 8 * (steps[steps.length >> 1] ?? 0));
  const out = [[], ...columns.map(() => [])];
  times.forEach((time, i) => {
    if (i && time - times[i - 1] > longest) {
      out[0].push((time + times[i - 1]) / 2);
      columns.forEach((_, c) => out[c + 1].push(null));
    }
    out[0].push(time);
    columns.forEach((column, c) => out[c + 1].push(column[i] ?? undefined));
  });
  return out;
}

const inSeconds = (time) => typeof time === "number" ? time / 1000 : Date.parse(time) / 1000;

function drawEvidence(root) {
  for (const box of root.querySelectorAll("[data-evidence]")) {
    if (drawn.has(box)) continue;
    const evidence = JSON.parse(box.dataset.evidence);
    const say = JSON.parse(box.dataset.words);
    const names = Object.keys(evidence.series ?? {});
    const which = box.dataset.subject.replace(/^(tire|cell|motor) /, "");
    const series = names.map((name) => {
      const isSubject = name === which || name === box.dataset.subject;
      const label = say[name] ?? (name === box.dataset.subject ? box.dataset.title : name);
      return { label, values: evidence.series[name], ...(isSubject ? { colour: "--S1", width: 2.5 } : { width: 1.2 }) };
    });
    if (typeof evidence.limit === "number") {
      series.push({ label: box.dataset.limit, values: evidence.time.map(() => evidence.limit), colour: "--ink-2", dash: [4, 4], width: 1 });
    }
    const low = names.indexOf("peers p5"), high = names.indexOf("peers p95");
    const bands = low >= 0 && high >= 0 ? [{ series: [high + 1, low + 1], fill: "--band" }] : [];
    plot(box, evidence.time.map(inSeconds), series, { unit: evidence.unit, height: 200, bands, zone: box.dataset.zone });
  }
  for (const box of drawn.keys()) if (!box.isConnected) { drawn.get(box).destroy(); drawn.delete(box); }
}

drawEvidence(document);
document.body.addEventListener("htmx:afterSwap", (event) => drawEvidence(event.detail.target));
addEventListener("themechange", () => {
  for (const box of [...drawn.keys()]) if (box.dataset.evidence) { drawn.get(box).destroy(); drawn.delete(box); }
  drawEvidence(document);
});
let resizing;
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => {
    for (const [box, made] of drawn) made.setSize({ width: Math.max(280, box.clientWidth), height: made.height });
  }, 150);
});
