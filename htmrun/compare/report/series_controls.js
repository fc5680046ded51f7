"use strict";
// What one can choose and how one moves.

const zoom = (by, at = 0.5) => {
  const [first, last] = range, width = (last - first) * by;
  const middle = first + (last - first) * at;
  show(middle - width * at, middle - width * at + width);
};
const move = (by) => show(range[0] + (range[1] - range[0]) * by, range[1] + (range[1] - range[0]) * by);
const all = () => show(0, shown.rows - 1);

// To the next alert of a visible arm after the middle, or the one before it.
function toAlert(direction) {
  const middle = (range[0] + range[1]) / 2, half = (range[1] - range[0]) / 2;
  const rows = visible().flatMap(({ job }) => job.alerts).sort((a, b) => a - b);
  const found = direction > 0 ? rows.find((row) => row > middle + 0.5) : rows.findLast((row) => row < middle - 0.5);
  if (found === undefined) return;
  const width = Math.min(half, Math.max(50, shown.rows / 40));
  show(found - width, found + width);
  readout(found);
}

function select(label, options, value, act) {
  const made = node("select", { ariaLabel: label }, ...options.map(([v, text]) => node("option", { value: v, selected: String(v) === String(value) }, text)));
  made.addEventListener("change", () => act(made.value));
  return node("label", {}, label, made);
}

function windowsFor(rows) {
  return [1, 10, 30, 100, 300, 1000, 3000, 10000].filter((n) => n === 1 || n <= rows / 5);
}

function choices() {
  const seeds = [...new Set(DATA.jobs.filter((j) => j.frame === chosen.frame).map((j) => j.seed))];
  if (!seeds.includes(chosen.seed)) chosen.seed = seeds[0];
  const parts = [];
  if (DATA.frames.length > 1) {
    const names = DATA.frames.map((frame, i) => [i, `series ${i + 1}, ${frame.rows.toLocaleString("en")} rows`]);
    parts.push(select("Data", names, chosen.frame, (v) => { chosen.frame = +v; start(); }));
  }
  if (seeds.length > 1) parts.push(select("Seed", seeds.map((s) => [s, s]), chosen.seed, (v) => { chosen.seed = +v; again(); }));
  if (horizons.length) parts.push(select("Ahead", horizons.map((h) => [h, `${h} row${h > 1 ? "s" : ""}`]), chosen.horizon, (v) => { chosen.horizon = +v; again(); }));
  const spans = windowsFor(DATA.frames[chosen.frame].rows).map((n) => [n, n === 1 ? "each row" : `over ${n.toLocaleString("en")} rows`]);
  if (horizons.length) parts.push(select("Error", spans, chosen.window, (v) => { chosen.window = +v; build(); }));
  $("choices").replaceChildren(...parts);
  $("arms").replaceChildren(...jobs().map(({ arm }) => {
    const box = node("input", { type: "checkbox", checked: !chosen.off.has(arm) });
    box.addEventListener("change", () => { box.checked ? chosen.off.delete(arm) : chosen.off.add(arm); build(); });
    const line = node("i");
    line.style.borderColor = colourOf(arm);
    return node("label", { className: "arm" + (DATA.controls.includes(arm) ? " control" : "") }, box, line, arm);
  }));
  const value = node("i");
  value.style.borderColor = css("--ink");
  $("arms").append(node("label", { className: "arm" }, value, "value"));
}

function moves() {
  const button = (text, title, act) => {
    const made = node("button", { type: "button", title, ariaLabel: title }, text);
    made.addEventListener("click", act);
    return made;
  };
  const alert = DATA.jobs.some((job) => job.alerts.length)
    ? [button("‹ alert", "previous alert", () => toAlert(-1)), button("alert ›", "next alert", () => toAlert(1))] : [];
  $("moves").replaceChildren(
    button("All", "whole series", all), button("+", "zoom in", () => zoom(0.5)), button("−", "zoom out", () => zoom(2)),
    button("‹", "earlier", () => move(-0.5)), button("›", "later", () => move(0.5)), ...alert, node("span", { id: "where" }));
}

function listen() {
  const panels = $("panels");
  const keys = {
    ArrowLeft: () => move(-0.25), ArrowRight: () => move(0.25), "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2),
    0: all, Home: all, n: () => toAlert(1), p: () => toAlert(-1),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, input")) return;
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  panels.addEventListener("wheel", (event) => {
    const over = event.target.closest(".u-over");
    if (!over) return;
    event.preventDefault();
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : 0;
    if (sideways) return move(Math.sign(sideways) * 0.1);
    zoom(event.deltaY > 0 ? 1.25 : 0.8, event.offsetX / over.clientWidth);
  }, { passive: false });
  // Dragging with Shift, and one finger, moves.
  let held = null;
  panels.addEventListener("pointerdown", (event) => {
    const over = event.target.closest(".u-over");
    if (over && (event.shiftKey || event.pointerType === "touch")) held = { x: event.clientX, range: [...range], width: over.clientWidth };
  }, true);
  for (const name of ["mousedown", "mousemove"]) panels.addEventListener(name, (event) => { if (held) event.stopPropagation(); }, true);
  window.addEventListener("pointermove", (event) => {
    if (!held) return;
    const by = ((held.x - event.clientX) / held.width) * (held.range[1] - held.range[0]);
    show(held.range[0] + by, held.range[1] + by);
  });
  for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, () => { held = null; });
  const strip = $("overview");
  const there = (event) => {
    if (event.buttons !== 1) return;
    const middle = (event.offsetX / strip.clientWidth) * (shown.rows - 1), half = (range[1] - range[0]) / 2;
    show(middle - half, middle + half);
  };
  strip.addEventListener("pointerdown", (event) => { strip.setPointerCapture(event.pointerId); there(event); });
  strip.addEventListener("pointermove", there);
  dark.addEventListener("change", () => { choices(); build(); });
  let across = window.innerWidth;
  window.addEventListener("resize", () => { if (window.innerWidth !== across) { across = window.innerWidth; build(); } });
}

async function again() {
  choices();
  await unpack();
  range = [Math.min(range[0], shown.rows - 9), Math.min(range[1], shown.rows - 1)];
  build();
}

async function start() {
  const spans = windowsFor(DATA.frames[chosen.frame].rows);
  chosen.window = spans[Math.min(spans.length - 1, 3)];
  choices();
  await unpack();
  // Of a long series the end: all at once every line hides another.
  range = [shown.rows > 2000 ? shown.rows - 500 : 0, shown.rows - 1];
  build();
  readout(shown.frame.rows - 1);
  document.body.dataset.ready = "true";
}

moves();
listen();
if (typeof DecompressionStream === "undefined") {
  $("panels").textContent = "This browser cannot unpack the figures (DecompressionStream is missing); one of 2023 or later can.";
} else start();
