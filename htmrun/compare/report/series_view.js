"use strict";
// The charts: what is chosen, drawn, and where one looks.

const $ = (id) => document.getElementById(id);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const HEIGHTS = [300, 170, 170];
const horizons = [...new Set(DATA.jobs.flatMap((job) => Object.keys(job.columns)))]
  .filter((name) => name.startsWith("forecast_")).map((name) => +name.slice(9)).sort((a, b) => a - b);
const chosen = { frame: 0, seed: DATA.jobs[0].seed, horizon: horizons[0], window: 0, off: new Set() };
let shown = null, plots = [], range = [0, 1], plan = [];
window.htmrun = { get range() { return range; }, get rows() { return shown && shown.frame.rows; } };

function node(name, attributes = {}, ...inside) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...inside);
  return made;
}

// Day before month in words: 7/8 would be read in two ways. Least step in seconds, what every tick says,
// and what is added where the year, month, day, hour, minute or second is a new one.
const DATES = [
  [31536000, "{YYYY}", null, null, null, null, null, null, 1],
  [2419200, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
];

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colourOf = (arm) => {
  const colours = DATA.colours[dark.matches ? "dark" : "light"];
  return colours[DATA.arms.indexOf(arm) % colours.length];
};
const jobs = () => DATA.jobs.filter((j) => j.frame === chosen.frame && j.seed === chosen.seed);
const visible = () => shown.jobs.filter(({ job }) => !chosen.off.has(job.arm));
const short = (v) => (v === null || v === undefined || Number.isNaN(v) ? "–" : +v.toPrecision(5) + "");
const two = (n) => String(n).padStart(2, "0");
function dateOf(seconds) {
  const d = new Date(seconds * 1000);
  const day = `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`;
  return `${day} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}${d.getUTCSeconds() ? ":" + two(d.getUTCSeconds()) : ""}`;
}

// Unpacks what is chosen; everything is at the row that it is of.
async function unpack() {
  const frame = DATA.frames[chosen.frame], h = chosen.horizon ?? 0, ahead = h;
  const axis = await axisOf(frame, ahead), rows = frame.rows + ahead;
  const value = shifted(await columnOf(frame.value), 0, rows);
  const found = [];
  for (const job of jobs()) {
    const get = async (name, by) => (job.columns[name] ? shifted(await columnOf(job.columns[name]), by, rows) : null);
    found.push({
      job, forecast: await get(`forecast_${h}`, h), low: await get(`low_${h}`, h), high: await get(`high_${h}`, h),
      error: await get(`error_${h}`, 0), likelihood: await get("likelihood", 0),
    });
  }
  shown = { frame, value, rows, ...axis, jobs: found };
}

// What each panel draws: its title, columns with uPlot's settings, and bands between columns.
function panels() {
  const value = { title: horizons.length ? "Value and forecast" : "Value", columns: [], bands: [] };
  const error = { title: chosen.window > 1 ? `Error: RMSE of the last ${chosen.window.toLocaleString("en")} rows` : "Absolute error", columns: [], bands: [], zero: true };
  const odd = { title: "How unusual: log-likelihood of an anomaly (1 is the highest)", columns: [], bands: [], unit: true };
  for (const one of visible()) {
    const { job } = one, stroke = colourOf(job.arm);
    const dash = DATA.controls.includes(job.arm) ? [5, 4] : undefined;
    if (one.low) {
      const at = value.columns.length + 1;
      value.columns.push({ values: one.high, keep: "high", width: 0 }, { values: one.low, keep: "low", width: 0 });
      value.bands.push({ series: [at, at + 1], fill: stroke + "2e" });
    }
    if (one.forecast) value.columns.push({ values: one.forecast, stroke, width: 1.5, dash });
    if (one.error) error.columns.push({ values: chosen.window > 1 ? rolling(one.error, chosen.window) : one.error, stroke, width: 1.5, dash });
    if (one.likelihood) odd.columns.push({ values: one.likelihood, stroke, width: 1.3 });
  }
  value.columns.push({ values: shown.value, stroke: css("--ink"), width: 1.5 });
  value.alerts = true;
  return [value, error, odd].filter((panel) => panel.columns.length);
}

function settings(panel, width, height, last) {
  const axis = { stroke: css("--faint"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 }, font: "12px system-ui, sans-serif" };
  const y = { ...axis, size: 56, values: (u, ticks) => ticks.map(short) };
  return {
    width, height, tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    padding: [8, 22, 0, 0], legend: { show: false }, bands: panel.bands,
    scales: {
      x: { time: shown.dated },
      y: panel.unit ? { range: () => [0, 1] } : panel.zero ? { range: (u, low, high) => [0, high > 0 ? high * 1.05 : 1] } : {},
    },
    axes: [{ ...axis, size: last ? 44 : 12, space: 90, values: !last ? (u, ticks) => ticks.map(() => "") : shown.dated ? DATES : (u, ticks) => ticks.map((v) => v.toLocaleString("en")) }, y],
    series: [{}, ...panel.columns.map((c) => ({ stroke: c.stroke, width: c.width, dash: c.dash, points: { show: false }, spanGaps: false }))],
    cursor: {
      y: false,
      sync: { key: "series" }, drag: { x: true, y: false, setScale: false }, points: { show: false },
      bind: { dblclick: () => () => { show(0, shown.rows - 1); return null; } },
    },
    hooks: {
      drawClear: [(u) => windows(u)],
      draw: panel.alerts ? [(u) => alerts(u)] : [],
      setSelect: [(u) => selected(u)],
      setCursor: [(u) => { if (u.cursor.left >= 0) readout(nearestRow(shown.xs, u.posToVal(u.cursor.left, "x"))); }],
    },
  };
}

// Labelled windows stand behind everything.
function windows(u) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.fillStyle = css("--alert") + "22";
  for (const [first, last] of shown.frame.windows) {
    const left = Math.max(bbox.left, u.valToPos(shown.xs[first], "x", true));
    const right = Math.min(bbox.left + bbox.width, u.valToPos(shown.xs[last], "x", true));
    if (right >= left) ctx.fillRect(left, bbox.top, Math.max(right - left, 2), bbox.height);
  }
  ctx.restore();
}

// A triangle at the upper edge for each alert, arm by arm.
function alerts(u) {
  const { ctx, bbox } = u, size = 5 * devicePixelRatio;
  ctx.save();
  visible().forEach(({ job }, place) => {
    ctx.fillStyle = colourOf(job.arm);
    for (const row of job.alerts) {
      if (row < range[0] || row > range[1]) continue;
      const x = u.valToPos(shown.xs[row], "x", true), y = bbox.top + place * 1.2 * size;
      ctx.beginPath();
      ctx.moveTo(x - size, y); ctx.lineTo(x + size, y); ctx.lineTo(x, y + 1.6 * size);
      ctx.fill();
    }
  });
  ctx.restore();
}

function selected(u) {
  if (u.select.width < 4) return;
  const first = nearestRow(shown.xs, u.posToVal(u.select.left, "x"));
  const last = nearestRow(shown.xs, u.posToVal(u.select.left + u.select.width, "x"));
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  show(first, last);
}

// Shows rows `first` to `last`, at least eight of them.
function show(first, last) {
  const rows = shown.rows;
  let width = Math.min(rows - 1, Math.max(8, last - first));
  first = Math.round(Math.min(Math.max(0, first), rows - 1 - width));
  range = [first, Math.round(first + width)];
  requestAnimationFrame(draw);
}

function draw() {
  const [first, last] = range, { xs } = shown;
  plots.forEach((plot, i) => {
    const pixels = Math.max(50, Math.floor(plot.bbox.width / devicePixelRatio));
    // One row more at each side: lines go on to the edge.
    const from = Math.max(0, first - 1), to = Math.min(shown.rows, last + 2);
    // Of many rows lines are thin and whole: others take ten times as long to draw.
    const many = to - from > 2 * pixels;
    plan[i].columns.forEach((column, c) => {
      plot.series[c + 1].width = column.width && (many ? 1 : column.width);
      plot.series[c + 1].dash = many ? undefined : column.dash;
    });
    plot.batch(() => {
      plot.setData(view(xs, plan[i].columns, from, to, pixels), true);
      plot.setScale("x", { min: xs[first], max: xs[last] });
    });
  });
  overview();
  $("where").textContent = `${place(first)} to ${place(last)}, ${(last - first + 1).toLocaleString("en")} rows`;
}

const place = (row) => (shown.times ? dateOf(shown.times[row]) : `row ${row.toLocaleString("en")}`);

// The figures of one row.
function readout(row) {
  // Where nothing is forecast there are no such columns.
  const told = chosen.horizon !== undefined;
  const head = ["", ...(told ? [`forecast, ${chosen.horizon} ahead`, "90 % interval", "error"] : []), "log-likelihood", ""];
  const lines = visible().map(({ job, forecast, low, high, error, likelihood }) => {
    const get = (column) => (column ? short(column[row]) : "–");
    const name = node("td", {}, job.arm);
    name.style.color = colourOf(job.arm);
    const made = [get(forecast), low ? `${get(low)} to ${get(high)}` : "–", get(error)];
    return node("tr", {}, name, ...(told ? made : []).map((text) => node("td", {}, text)), node("td", {}, get(likelihood)),
      node("td", { className: "alert" }, job.alerts.includes(row) ? "alert" : ""));
  });
  const value = row < shown.frame.rows ? short(shown.value[row]) : "not yet known";
  $("readout").replaceChildren(
    node("div", {}, node("strong", {}, place(row)), `${shown.times ? ` (row ${row.toLocaleString("en")})` : ""}: value ${value}`),
    node("table", {}, node("tr", {}, ...head.map((text) => node("th", {}, text))), ...lines));
}

// The whole series in a strip, and which part of it the charts show.
function overview() {
  const canvas = $("overview"), ratio = devicePixelRatio;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const ctx = canvas.getContext("2d"), [, lines] = view(shown.xs, [{ values: shown.value }], 0, shown.rows, width);
  const known = lines.filter((v) => v !== null), low = Math.min(...known), high = Math.max(...known);
  ctx.scale(ratio, ratio);
  ctx.strokeStyle = css("--faint");
  ctx.beginPath();
  let drawn = false;
  lines.forEach((v, i) => {
    if (v === null) { drawn = false; return; }
    const x = (i / Math.max(1, lines.length - 1)) * width, y = height - 5 - ((v - low) / (high - low || 1)) * (height - 12);
    if (drawn) ctx.lineTo(x, y); else ctx.moveTo(x, y);
    drawn = true;
  });
  ctx.stroke();
  const at = (row) => (row / (shown.rows - 1)) * width;
  ctx.fillStyle = css("--alert");
  for (const { job } of visible()) for (const row of job.alerts) ctx.fillRect(at(row) - 1, 0, 2, 5);
  ctx.fillStyle = css("--alert") + "33";
  for (const [first, last] of shown.frame.windows) ctx.fillRect(at(first), 0, Math.max(2, at(last) - at(first)), height);
  ctx.fillStyle = css("--mark") + "33";
  ctx.strokeStyle = css("--mark");
  const left = at(range[0]), across = Math.max(3, at(range[1]) - left);
  ctx.fillRect(left, 0, across, height);
  ctx.strokeRect(left + 0.5, 0.5, Math.max(2, across - 1), height - 1);
}

function build() {
  plots.forEach((plot) => plot.destroy());
  plan = panels();
  $("panels").replaceChildren();
  const width = $("panels").clientWidth - 16;
  plots = plan.map((panel, i) => {
    const place = node("div", { className: "panel" }, node("h2", {}, panel.title));
    $("panels").append(place);
    const height = (panel.alerts ? HEIGHTS[0] : HEIGHTS[1]) + (i === plan.length - 1 ? 32 : 0);
    return new uPlot(settings(panel, width, height, i === plan.length - 1), [[], ...panel.columns.map(() => [])], place);
  });
  draw();
}
