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
  const format = (value) => value == null ? "–" : value.toFixed(decimals ?? (Math.abs(value) >= 100 ? 0 : 1));
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
      { value: (_, stamp) => stamp == null ? "–" : new Date(stamp * 1000).toLocaleString(document.documentElement.lang, { timeZone: zone, dateStyle: "short", timeStyle: "short" }) },
      ...series.map((one, i) => ({
        label: one.label, stroke: colour(one.colour ?? PALETTE[i % PALETTE.length]), width: one.width ?? 1.5,
        dash: one.dash, spanGaps: one.spanGaps ?? true, points: { show: times.length < 60 && !one.dash, size: 4 },
        value: (_, value) => value == null ? "–" : `${format(value)} ${unit ?? ""}`,
      })),
    ],
  }, [times, ...series.map((one) => one.values)], box);
  drawn.set(box, made);
  return made;
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
      return { label: say[name] ?? name, values: evidence.series[name], ...(isSubject ? { colour: "--S1", width: 2.5 } : { width: 1.2 }) };
    });
    if (typeof evidence.limit === "number") {
      series.push({ label: box.dataset.limit, values: evidence.time.map(() => evidence.limit), colour: "--ink-2", dash: [4, 4], width: 1 });
    }
    plot(box, evidence.time.map(inSeconds), series, { unit: evidence.unit, height: 200 });
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
