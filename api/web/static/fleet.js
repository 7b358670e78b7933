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
const labels = CITIES.map(([lat, lon, en, zh]) => {
  const icon = L.divIcon({ className: "city", html: "", iconSize: null });
  const marker = L.marker([lat, lon], { icon, interactive: false, keyboard: false }).addTo(map);
  marker.getElement().textContent = place.dataset.language === "zh" ? zh : en;
  return marker;
});
/** Names that would lie on an earlier one wait until the map is nearer. */
function declutter() {
  const shown = [];
  for (const label of labels) {
    const at = map.latLngToLayerPoint(label.getLatLng());
    const isFree = shown.every((other) => Math.abs(other.x - at.x) > 64 || Math.abs(other.y - at.y) > 16);
    label.getElement().hidden = !isFree;
    if (isFree) shown.push(at);
  }
}

/** A square on the canvas, so that stations look unlike vehicles. */
const Square = L.CircleMarker.extend({
  _updatePath() {
    const canvas = this._renderer;
    if (!canvas._drawing || this._empty()) return;
    const r = this._radius;
    canvas._ctx.beginPath();
    canvas._ctx.rect(this._point.x - r, this._point.y - r, 2 * r, 2 * r);
    canvas._fillStroke(canvas._ctx, this);
  },
});
for (const station of JSON.parse(place.dataset.stations)) {
  const name = place.dataset.language === "zh" ? station.name_zh : station.name_en;
  const style = () => ({ weight: 1, color: css("--dot-edge"), fillColor: css("--accent"), fillOpacity: 1 });
  const square = new Square([station.lat, station.lon], { radius: 5, ...style() }).bindTooltip(text(name)).addTo(map);
  painted.push([square, style]);
}

function text(...lines) {
  const box = document.createElement("div");
  for (const line of lines) box.append(Object.assign(document.createElement("div"), { textContent: line }));
  return box;
}

const say = JSON.parse(place.dataset.words);
const known = new Map();
const dots = new Map(); // VIN to what stands for it on the map
const shown = L.layerGroup().addTo(map);
const APART_ZOOM = 10; // from here on every vehicle has its own dot
const NEAR_PX = 40;

/** Vehicles that would lie on each other, together. */
function groups() {
  const found = [];
  for (const vehicle of known.values()) {
    const at = map.latLngToLayerPoint([vehicle.position.lat, vehicle.position.lon]);
    const near = map.getZoom() < APART_ZOOM && found.find((group) => group.at.distanceTo(at) < NEAR_PX);
    if (near) near.vehicles.push(vehicle);
    else found.push({ at, vehicles: [vehicle] });
  }
  return found.map((group) => group.vehicles);
}
function draw() {
  shown.clearLayers();
  dots.clear();
  for (const vehicles of groups()) {
    const mark = vehicles.length === 1 ? drawOne(vehicles[0]) : drawMany(vehicles);
    mark.addTo(shown);
    for (const vehicle of vehicles) dots.set(vehicle.vin, mark);
  }
  for (const dot of dots.values()) if (dot.options.radius > 5) dot.bringToFront();
}
function drawOne(vehicle) {
  const { lat, lon, age_s } = vehicle.position;
  const colour = css(vehicle.worst_severity ? `--${vehicle.worst_severity}` : vehicle.state === "silent" ? "--quiet" : "--ok");
  const dot = L.circleMarker([lat, lon], {
    radius: vehicle.worst_severity ? 8 : 5, weight: 1.5, color: css("--dot-edge"), fillColor: colour, fillOpacity: 0.95,
  });
  dot.bindTooltip(text(`${vehicle.plate ?? vehicle.vin} · ${vehicle.model.name}`, `${say[vehicle.origin]} · ${ago(age_s)}`));
  return dot.on("click", () => location.assign(`/vehicles/${vehicle.vin}`));
}
function drawMany(vehicles) {
  const worst = vehicles.map((v) => v.worst_severity).filter(Boolean).sort()[0];
  const alerts = vehicles.filter((v) => v.worst_severity).length;
  const bounds = L.latLngBounds(vehicles.map((v) => [v.position.lat, v.position.lon]));
  const title = [`${vehicles.length} ${say.many}`, ...(alerts ? [`${alerts} ${say.alerts}`] : [])];
  const icon = L.divIcon({ className: `many ${worst ?? "ok"}`, html: `${vehicles.length}`, iconSize: [30, 30] });
  const mark = L.marker(bounds.getCenter(), { icon, alt: title.join(", ") }).bindTooltip(text(...title));
  return mark.on("click", () => map.fitBounds(bounds.pad(0.2), { maxZoom: 13 }));
}
map.on("zoomend", () => { declutter(); draw(); });
declutter();

let isFitted = false;
async function load() {
  let cursor = "";
  do {
    const answer = await fetch(`/api/v1/vehicles?limit=500${cursor ? `&cursor=${cursor}` : ""}`);
    if (!answer.ok) return;
    const page = await answer.json();
    for (const vehicle of page.items) if (vehicle.position) known.set(vehicle.vin, vehicle);
    cursor = page.next_cursor;
  } while (cursor);
  draw();
  if (!isFitted && known.size) {
    isFitted = true;
    const bounds = L.latLngBounds([...known.values()].map((v) => [v.position.lat, v.position.lon]));
    map.fitBounds(bounds.pad(0.15), { maxZoom: 10 });
  }
}
drawLand().catch(() => {});
drawGraticule();
load().catch(() => {});
let waiting; // until the whole fleet is here: a large one takes longer than the pause between two changes
document.getElementById("fleet").addEventListener("htmx:afterRequest", () => {
  waiting ??= setTimeout(() => { load().catch(() => {}).finally(() => { waiting = undefined; }); }, 500);
});
for (const [target, event] of [[window, "themechange"], [matchMedia("(prefers-color-scheme: dark)"), "change"]]) {
  target.addEventListener(event, () => { paint(); draw(); });
}

document.getElementById("fleet").addEventListener("mouseover", (event) => {
  dots.get(event.target.closest("tr[data-vin]")?.dataset.vin)?.openTooltip();
});
document.getElementById("fleet").addEventListener("mouseout", (event) => {
  dots.get(event.target.closest("tr[data-vin]")?.dataset.vin)?.closeTooltip();
});
