"""Charts of the inside of a trained pipeline: distributions over columns and synapses, maps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from htmrun.compare.report.blocks import (
    SCHEMA,
    Chart,
    Row,
    Spec,
    arrays,
    base,
    colour,
    dash,
    file_name,
    names_of,
    quantity,
    short,
)
from htmrun.compare.report.style import HEAT
from htmrun.components.stages.permanences import BINS as PERMANENCE_BINS
from htmrun.tracking.arrays import Series
from htmrun.tracking.read_runs import ExperimentRun

_CELLS = 4096
_BINS = 40


def distributions(run: ExperimentRun, series: Series) -> list[Chart | None]:
    """Return histograms: boost factors, duty cycles, permanences."""
    made: list[Chart | None] = []
    for name in names_of(series, lambda n: n.endswith(("/boost", "/duty"))):
        stage, what = name.rsplit("/", 1)
        words = "boost factor" if what == "boost" else "active duty cycle"
        made.append(
            _histogram(
                run,
                series,
                name,
                words,
                f"{words.capitalize()}s of {stage}",
                f"Share of the columns of {stage} at the end, mean over seeds.",
            )
        )
    for name in names_of(series, lambda n: n.endswith("/permanences")):
        stage = name.rsplit("/", 1)[0]
        centres = (np.arange(PERMANENCE_BINS) + 0.5) / PERMANENCE_BINS
        rows: list[Row] = []
        for arm in run.everybody:
            found = [a / max(a.sum(), 1) for a in arrays(series, arm, name)]
            if found:
                rows += _steps(centres, np.mean(found, axis=0), arm)
        made.append(
            _stepped(
                run,
                rows,
                name,
                "permanence",
                f"Permanences of {stage}",
                f"Share of the synapses of {stage} at the end, mean over seeds.",
            )
        )
    return made


def _histogram(
    run: ExperimentRun, series: Series, name: str, x: str, title: str, caption: str
) -> Chart | None:
    every = [a for arm in run.everybody for a in arrays(series, arm, name)]
    low, high = min(float(a.min()) for a in every), max(float(a.max()) for a in every)
    if high <= low:
        return None  # All columns alike, in all arms: nothing to see.
    edges = np.linspace(low, high, _BINS + 1)
    rows: list[Row] = []
    for arm in run.everybody:
        found = [np.histogram(a, edges)[0] / len(a) for a in arrays(series, arm, name)]
        if found:
            rows += _steps((edges[1:] + edges[:-1]) / 2, np.mean(found, axis=0), arm)
    return _stepped(run, rows, name, x, title, caption)


def _steps(xs: np.ndarray, shares: np.ndarray, arm: str) -> list[Row]:
    return [
        {"arm": arm, "x": short(x), "share": short(share)}
        for x, share in zip(xs.tolist(), shares.tolist(), strict=True)
    ]


def _stepped(
    run: ExperimentRun, rows: Sequence[Row], name: str, x: str, title: str, caption: str
) -> Chart | None:
    if not rows:
        return None
    mark = {"type": "line", "interpolate": "step", "tooltip": True}
    # Square roots: one bin often holds most of it, and the others are what one looks for.
    y = quantity("share", "share", scale={"type": "sqrt", "zero": True})
    spec = base(
        run,
        rows,
        [
            {
                "mark": mark,
                "encoding": {
                    "x": quantity("x", x),
                    "y": y,
                    "color": colour(run),
                    "strokeDash": dash(run),
                },
            },
        ],
    )
    return Chart(file_name(name), title, f"{caption} The axis goes with the square root.", spec)


def maps(run: ExperimentRun, series: Series) -> list[Chart]:
    """Return how often each column wins, in the columns' grid, for the first seed of each arm."""
    made = []
    for name in names_of(series, lambda n: n.endswith("/activity")):
        stage = name.rsplit("/", 1)[0]
        rows: list[Row] = []
        width, grid = 0, True
        for arm in run.everybody:
            found = next(iter(arrays(series, arm, name)), None)
            if found is None:
                continue
            shape = next(iter(arrays(series, arm, f"{stage}/shape")), np.array([len(found)]))
            cells, width, grid = _folded(found, [int(n) for n in shape])
            rows.append({"arm": arm, "share": [round(float(v), 3) for v in cells]})
        if rows:
            order = (
                "Columns lie as in their grid."
                if grid
                else "The layer has no grid: columns stand in the order of their numbers."
            )
            made.append(
                Chart(
                    file_name(name),
                    f"Column activation of {stage}",
                    "Share of the last fifth of the samples that each column won, first "
                    f"seed. {order}",
                    _heat(rows, width),
                )
            )
    return made


def _folded(values: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, int, bool]:
    """Return the values of at most 4096 cells, the width of their grid, and whether it is real."""
    if len(shape) == 2 and math.prod(shape) <= _CELLS:
        return values, shape[1], True
    if len(values) > _CELLS:
        step = -(-len(values) // _CELLS)
        padded = np.pad(values, (0, -len(values) % step), constant_values=np.nan)
        values = np.nanmean(padded.reshape(-1, step), axis=1)
    return values, max(1, 2 ** round(math.log2(math.sqrt(2 * len(values))))), False


def _heat(rows: Sequence[Row], width: int) -> Spec:
    cell = {"axis": None, "type": "ordinal"}
    return {
        "$schema": SCHEMA,
        "data": {"values": list(rows)},
        "transform": [
            {"flatten": ["share"]},
            {"window": [{"op": "row_number", "as": "place"}], "groupby": ["arm"]},
            {"calculate": f"(datum.place - 1) % {width}", "as": "column"},
            {"calculate": f"floor((datum.place - 1) / {width})", "as": "row"},
        ],
        "facet": {
            "field": "arm",
            "type": "nominal",
            "title": None,
            "sort": [row["arm"] for row in rows],
        },
        "columns": 5,
        "spec": {
            "width": 170,
            "height": 110,
            "mark": {"type": "rect", "tooltip": True},
            "encoding": {
                "x": {"field": "column", **cell},
                "y": {"field": "row", **cell},
                "color": {
                    "field": "share",
                    "type": "quantitative",
                    "title": "share of samples",
                    "scale": {"scheme": HEAT, "type": "sqrt"},
                    "legend": {"title": "share of samples", "gradientLength": 200},
                },
            },
        },
    }
