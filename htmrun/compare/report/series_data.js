"use strict";
// What the page holds, unpacked; and cut down to what a screen can show.

// Columns are 16 bits a row, high bytes first, compressed; 0 is no figure. See series_page.py.
const STEPS = 65534;

async function bytesOf(text) {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function columnOf(packed) {
  const bytes = await bytesOf(packed.data);
  const rows = bytes.length / 2;
  const values = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    // As they are packed: the second plane has the high bytes.
    const step = bytes[i] | (bytes[rows + i] << 8);
    values[i] = step === 0 ? NaN : packed.low + ((step - 1) / STEPS) * packed.width;
  }
  return values;
}

// Times (seconds since 1970) or row numbers, with `ahead` rows more, a usual step apart.
async function axisOf(frame, ahead) {
  const xs = new Float64Array(frame.rows + ahead);
  let times = null;
  if (frame.times !== null) {
    const deltas = new Float64Array((await bytesOf(frame.times)).buffer);
    times = new Float64Array(frame.rows + ahead);
    let at = 0;
    deltas.forEach((delta, i) => { at += delta; times[i] = at / 1000; });
    const steps = deltas.slice(1).sort();
    const usual = steps.length ? steps[steps.length >> 1] / 1000 : 1;
    for (let i = frame.rows; i < times.length; i++) times[i] = times[i - 1] + usual;
  }
  const dated = times !== null && frame.ordered;
  for (let i = 0; i < xs.length; i++) xs[i] = dated ? times[i] : i;
  return { xs, times, dated };
}

// A column made at each row, at the row that it is about.
function shifted(column, by, rows) {
  const out = new Float64Array(rows).fill(NaN);
  out.set(column.subarray(0, Math.max(0, rows - by)), by);
  return out;
}

// Root of the mean square over the last `window` known errors' rows; NaN where none is known.
function rolling(errors, window) {
  const out = new Float64Array(errors.length).fill(NaN);
  let sum = 0, count = 0;
  for (let i = 0; i < errors.length; i++) {
    if (!Number.isNaN(errors[i])) { sum += errors[i] ** 2; count++; }
    const gone = i - window;
    if (gone >= 0 && !Number.isNaN(errors[gone])) { sum -= errors[gone] ** 2; count--; }
    if (count > 0 && count >= Math.min(window, i + 1) / 2) out[i] = Math.sqrt(Math.max(0, sum) / count);
  }
  return out;
}

// First row whose x is not below `x`.
function rowAt(xs, x) {
  let low = 0, high = xs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle + 1; else high = middle;
  }
  return low;
}

function nearestRow(xs, x) {
  const at = Math.min(rowAt(xs, x), xs.length - 1);
  return at > 0 && x - xs[at - 1] < xs[at] - x ? at - 1 : at;
}

// Rows `first` to `last` of columns as uPlot takes them. More rows than two a pixel become the lowest
// and the highest of each pixel's rows, in their order, so no peak is lost; `keep` says of a column
// that only its "low" or its "high" is shown.
function view(xs, columns, first, last, pixels) {
  const rows = last - first;
  if (rows <= 4 * pixels) {
    const known = (column) => Array.from(column.subarray(first, last), (v) => (Number.isNaN(v) ? null : v));
    return [Array.from(xs.subarray(first, last)), ...columns.map((c) => known(c.values))];
  }
  const out = [[], ...columns.map(() => [])];
  for (let pixel = 0; pixel < pixels; pixel++) {
    const from = first + Math.floor((pixel * rows) / pixels);
    const to = first + Math.floor(((pixel + 1) * rows) / pixels);
    out[0].push(xs[from], xs[to - 1] > xs[from] ? xs[to - 1] : xs[from]);
    columns.forEach(({ values, keep }, c) => {
      let low = -1, high = -1;
      for (let i = from; i < to; i++) {
        if (Number.isNaN(values[i])) continue;
        if (low < 0 || values[i] < values[low]) low = i;
        if (high < 0 || values[i] > values[high]) high = i;
      }
      if (low < 0) out[c + 1].push(null, null);
      else if (keep === "low") out[c + 1].push(values[low], values[low]);
      else if (keep === "high") out[c + 1].push(values[high], values[high]);
      else out[c + 1].push(values[Math.min(low, high)], values[Math.max(low, high)]);
    });
  }
  return out;
}
