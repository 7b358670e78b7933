"use strict";
// The fleet map: bundled coastlines, graticule and city names; tiles only where the operator set them.

const place = document.getElementById("map");
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const CITIES = [
  [39.90, 116.40, "Beijing", "北京"], [31.23, 121.47, "Shanghai", "上海"], [22.54, 114.06, "Shenzhen", "深圳"],
  [30.57, 104.07, "Chengdu", "成都"], [29.56, 106.55, "Chongqing", "重庆"], [30.59, 114.31, "Wuhan", "武汉"],
  [34.34, 108.94, "Xi'an", "西安"], [45.80, 126.53, "Harbin", "哈尔滨"], [43.83, 87.62, "Ürümqi", "乌鲁木齐"],
  [36.06, 103.83, "Lanzhou", "兰州"], [29.65, 91.14, "Lhasa", "拉萨"], [25.04, 102.71, "Kunming", "昆明"],
  [23.13, 113.26, "Guangzhou", "广州"], [41.81, 123.43, "Shenyang", "沈阳"], [32.06, 118.80, "Nanjing", "南京"],
  [40.84, 111.75, "Hohhot", "呼和浩特"], [36.07, 120.38, "Qingdao", "青岛"],
];

const map = L.map(place, { preferCanvas: true, minZoom: 3, maxZoom: 17, zoomSnap: 0.5, worldCopyJump: false, attributionControl: false });
map.setView([34, 108], 4);
L.control.scale({ imperial: false }).addTo(map);
map.createPane("land").style.zIndex = 200;
if (place.dataset.tiles) L.tileLayer(place.dataset.tiles, { maxZoom: 17 }).addTo(map);

const painted = [];
function paint() {
  for (const [layer, style] of painted) layer.setStyle(style());
}
async function drawLand() {
  const land = await (await fetch(place.dataset.land)).json();
  const style = () => ({ color: css("--coast"), weight: 1, fillColor: css("--land"), fillOpacity: place.dataset.tiles ? 0 : 1 });
  const layer = L.geoJSON(land, { pane: "land", interactive: false, style: style() }).addTo(map);
  painted.push([layer, style]);
}
function drawGraticule() {
  const lines = [];
  for (let lon = 60; lon <= 150; lon += 10) lines.push([[5, lon], [60, lon]]);
  for (let lat = 10; lat <= 60; lat += 10) lines.push([[lat, 60], [lat, 150]]);
  const style = () => ({ color: css("--coast"), weight: 0.5, opacity: 0.5 });
  painted.push([L.polyline(lines, { pane: "land", interactive: false, ...style() }).addTo(map), style]);
}
for (const [lat, lon, en, zh] of CITIES) {
  const icon = L.divIcon({ className: "city", html: "", iconSize: null });
  const marker = L.marker([lat, lon], { icon, interactive: false, keyboard: false }).addTo(map);
  marker.getElement().textContent = place.dataset.language === "zh" ? zh : en;
}
for (const station of JSON.parse(place.dataset.stations)) {
  const icon = L.divIcon({ className: "station-mark", html: "", iconSize: [9, 9] });
  const name = place.dataset.language === "zh" ? station.name_zh : station.name_en;
  L.marker([station.lat, station.lon], { icon, keyboard: false }).bindTooltip(text(name)).addTo(map);
}

function text(...lines) {
  const box = document.createElement("div");
  for (const line of lines) box.append(Object.assign(document.createElement("div"), { textContent: line }));
  return box;
}

const dots = new Map();
let isFitted = false;
function draw(vehicles) {
  for (const vehicle of vehicles) {
    if (!vehicle.position) continue;
    const { lat, lon } = vehicle.position;
    const color = () => css(vehicle.worst_severity ? `--${vehicle.worst_severity}` : vehicle.state === "silent" ? "--quiet" : "--ok");
    const style = () => ({ radius: vehicle.worst_severity ? 8 : 5, weight: 1.5, color: css("--dot-edge"), fillColor: color(), fillOpacity: 0.95 });
    const old = dots.get(vehicle.vin);
    if (old) old.remove();
    const dot = L.circleMarker([lat, lon], style());
    dot.bindTooltip(text(`${vehicle.plate ?? vehicle.vin} · ${vehicle.model.name}`, `${vehicle.origin} · ${Math.round(vehicle.position.age_s)} s`));
    dot.on("click", () => location.assign(`/vehicles/${vehicle.vin}`));
    dot.addTo(map);
    dots.set(vehicle.vin, dot);
  }
  for (const dot of dots.values()) if (dot.options.radius > 5) dot.bringToFront();
}
async function load() {
  let cursor = "";
  do {
    const answer = await fetch(`/api/v1/vehicles?limit=500${cursor ? `&cursor=${cursor}` : ""}`);
    if (!answer.ok) return;
    const page = await answer.json();
    draw(page.items);
    cursor = page.next_cursor;
  } while (cursor);
  if (!isFitted && dots.size) {
    isFitted = true;
    map.fitBounds(L.featureGroup([...dots.values()]).getBounds().pad(0.25), { maxZoom: 10 });
  }
}
drawLand().catch(() => {});
drawGraticule();
load();
let waiting;
document.getElementById("fleet").addEventListener("htmx:afterRequest", () => {
  waiting ??= setTimeout(() => { waiting = undefined; load(); }, 500);
});
for (const [target, event] of [[window, "themechange"], [matchMedia("(prefers-color-scheme: dark)"), "change"]]) {
  target.addEventListener(event, () => { paint(); load(); });
}

document.getElementById("fleet").addEventListener("mouseover", (event) => {
  const dot = dots.get(event.target.closest("tr[data-vin]")?.dataset.vin);
  if (dot) dot.openTooltip();
});
document.getElementById("fleet").addEventListener("mouseout", (event) => {
  dots.get(event.target.closest("tr[data-vin]")?.dataset.vin)?.closeTooltip();
});
