"""One self-contained page to zoom and pan through the whole series of every arm and seed.

Figures are packed to 16 bits of their column's range, which is more than a screen shows; the exact
ones are in the Parquet files.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun._imports import jinja2
from htmrun.compare.report.packing import script
from htmrun.compare.report.style import colours
from htmrun.tracking.arrays import Series
from htmrun.tracking.forecasts import Table, Tables
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.tracking.stretches import windows
from htmrun.training.measures.anomaly import log_scale

PAGE = "series.html"
MOST_BYTES = 20_000_000
"""Of packed figures on a page; seeds beyond it are left out, with a line."""
_STEPS = 65_534


def render_series(
    run: ExperimentRun, tables: Tables, series: Series, most: int = MOST_BYTES
) -> str:
    """Return the page; tables: at least one, by arm and seed; series: the losses beside them."""
    frames, jobs, left = _pack(run, tables, series, most)
    data = {
        "frames": frames, "jobs": jobs, "arms": run.everybody, "controls": run.controls,
        "colours": {"light": colours(dark=False), "dark": colours(dark=True)},
    }  # fmt: skip
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("htmrun.compare.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("series.html.jinja").render(
        title=f"{run.experiment}, row by row",
        run=run.run,
        left=left,
        labelled=any(frame["windows"] for frame in frames),
        data=script(data),
        style=_text("uplot", "uPlot.min.css"),
        licence=_text("uplot", "LICENSE"),
        scripts=[
            _text("uplot", "uPlot.iife.min.js"), _text("series_data.js"), _text("series_view.js"),
            _text("series_controls.js"),
        ],
    )  # fmt: skip


def _pack(
    run: ExperimentRun, tables: Tables, series: Series, most: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], str]:
    """Return what jobs share, the jobs, and a line about those that found no room."""
    frames: list[dict[str, Any]] = []
    places: dict[bytes, int] = {}
    jobs: list[dict[str, Any]] = []
    left: list[str] = []
    size = 0
    # Seed by seed, so that what finds room are pairs.
    seeds = sorted({seed for found in tables.values() for seed in found})
    for seed in seeds:
        for arm in run.everybody:
            table = tables.get(arm, {}).get(seed)
            if table is None:
                continue
            key = table["value"].tobytes() + table.get("time", np.zeros(0)).tobytes()
            job = {"arm": arm, "seed": seed, **_job(table, series.get(arm, {}).get(seed, {}))}
            taken = sum(len(column["data"]) for column in job["columns"].values())
            if size + taken > most and seed != seeds[0]:
                left.append(f"{arm} {seed}")
                continue
            size += taken
            if key not in places:
                places[key] = len(frames)
                frames.append(_frame(table))
            jobs.append({**job, "frame": places[key]})
    some = ", ".join(left[:4]) + (", ..." if len(left) > 4 else "")
    told = f"{len(left)} jobs would make the page too large and are left out: {some}."
    return frames, jobs, told if left else ""


def _frame(table: Table) -> dict[str, Any]:
    """Return times, values and labelled windows."""
    frame: dict[str, Any] = {
        "rows": len(table["value"]), "value": packed(table["value"]), "times": None,
        "windows": windows(table),
    }  # fmt: skip
    if "time" in table:
        milliseconds = table["time"].astype("datetime64[ms]").astype(np.int64)
        steps = np.diff(milliseconds, prepend=milliseconds[:1] * 0)
        frame["times"] = _base64(steps.astype("<f8").tobytes())
        frame["ordered"] = bool((steps[1:] >= 0).all())
    return frame


def _job(table: Table, series: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the columns of a job, the errors that were scored, and at which rows it alerted."""
    columns = {
        name: packed(column)
        for name, column in table.items()
        if name.partition("_")[0] in ("forecast", "low", "high") and "/" not in name
    }
    for name, losses in series.items():
        if name.startswith("loss/") and len(losses) == len(table["value"]):
            columns[f"error_{name.removeprefix('loss/')}"] = packed(np.sqrt(losses, dtype=float))
    if "likelihood" in table:
        columns["likelihood"] = packed(log_scale(table["likelihood"]))
    alerts = np.flatnonzero(table["alert"]).tolist() if "alert" in table else []
    return {"columns": columns, "alerts": alerts}


def packed(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Return a column as 16 bits a row: 0 is NaN, 1 the lowest value, 65,535 the highest."""
    known = np.isfinite(values)
    low = float(values[known].min()) if known.any() else 0.0
    high = float(values[known].max()) if known.any() else 0.0
    width = (high - low) or 1.0
    steps = np.zeros(len(values), "<u2")
    steps[known] = 1 + np.rint((values[known] - low) / width * _STEPS)
    # High bytes stand beside each other: they repeat themselves.
    planes = np.ascontiguousarray(steps.view(np.uint8).reshape(-1, 2).T)
    return {"low": low, "width": width, "data": _base64(planes.tobytes())}


def unpacked(column: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """Return what `packed` took, to 1 / 131,068 of its range."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(column["data"])), np.uint8)
    steps = np.ascontiguousarray(planes.reshape(2, -1).T).view("<u2")[:, 0]
    values = column["low"] + (steps - 1.0) / _STEPS * column["width"]
    return np.where(steps == 0, np.nan, values)


def _base64(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode()


def _text(*place: str) -> str:
    return files("htmrun.compare.report").joinpath(*place).read_text(encoding="utf-8")
