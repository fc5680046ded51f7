"""Pieces that the charts are made of, as Vega-Lite specifications."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from htmrun.compare.interval import mean_interval
from htmrun.tracking.arrays import Series
from htmrun.tracking.plots import COLOURS
from htmrun.tracking.read_runs import ExperimentRun

Spec = dict[str, Any]
Row = dict[str, Any]
_POINTS = 120
# Of arms and of controls, the first time that a colour comes, and the times after.
_DASHES = (([1, 0], [4, 3]), ([9, 2, 2, 2], [1, 3]), ([14, 3], [4, 3, 1, 3]))
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"


@dataclass(frozen=True)
class Chart:
    """A chart: its file's name, title, a sentence that says how to read it, the specification."""

    name: str
    title: str
    caption: str
    spec: Spec


def base(run: ExperimentRun, rows: Sequence[Row], layers: list[Spec], height: int = 250) -> Spec:
    """Return a chart of layers over `rows`, whose legend has the arms that are drawn."""
    drawn = {row["arm"] for row in rows}
    entries = {"values": [arm for arm in run.everybody if arm in drawn]}
    for layer in layers:
        for channel in ("color", "strokeDash"):
            found = layer["encoding"].get(channel)
            if found is not None and found.get("legend", {}) is not None:
                found["legend"] = found.get("legend", {}) | entries
    return {
        "$schema": SCHEMA,
        "width": "container",
        "height": height,
        "data": {"values": list(rows)},
        "layer": layers,
        "usermeta": {"entry": 48 + 7 * max(map(len, drawn), default=1)},
    }


def legend_columns(spec: Spec, width: int) -> int:
    """Return how many entries of the chart's legend fit beside each other; the page does it alike.

    `usermeta.entry` is the width of one, in pixels.
    """
    return max(1, (width - 60) // spec.get("usermeta", {}).get("entry", width))


def colour(run: ExperimentRun) -> Spec:
    """Each arm has one colour in all charts."""
    return {"field": "arm", "type": "nominal", "scale": {"domain": run.everybody}, "sort": None}


def dash(run: ExperimentRun) -> Spec:
    """Controls are dashed; arms whose colour was there before are of dots and dashes."""
    dashes = []
    for place, arm in enumerate(run.everybody):
        again = place // len(COLOURS) % len(_DASHES)
        dashes.append(_DASHES[again][arm in run.controls])
    return {
        "field": "arm",
        "type": "nominal",
        "sort": None,
        "scale": {"domain": run.everybody, "range": dashes},
    }


def quantity(name: str, title: str, **more: Any) -> Spec:
    """Return an axis; it need not begin at 0."""
    scale = {"zero": False, "nice": True} | more.pop("scale", {})
    if scale.get("type") == "log":
        del scale["zero"]
    return {"field": name, "type": "quantitative", "title": title, "scale": scale} | more


def band(run: ExperimentRun, rows: Sequence[Row], x: str, y: str) -> Spec:
    """Return lines with bands of `low` to `high`; values show under the pointer."""
    across = quantity("x", x, scale={"zero": True, "nice": False})
    tooltip = [
        {"field": "arm", "type": "nominal"},
        {"field": "x", "type": "quantitative", "title": x},
        *({"field": n, "type": "quantitative", "format": ".4~g"} for n in ("mean", "low", "high")),
    ]
    return base(
        run,
        rows,
        [
            {
                "mark": {"type": "area", "fillOpacity": 0.18},
                "encoding": {
                    "x": across,
                    "y": quantity("low", y),
                    "y2": {"field": "high"},
                    "color": colour(run),
                },
            },
            {
                "mark": {"type": "line", "point": len(rows) < 40},
                "encoding": {
                    "x": across,
                    "y": quantity("mean", y),
                    "color": colour(run) | {"legend": {"symbolType": "stroke", "symbolSize": 300}},
                    "strokeDash": dash(run),
                },
            },
            {
                "mark": {"type": "point", "size": 70, "fillOpacity": 0, "strokeOpacity": 0},
                "encoding": {
                    "x": across,
                    "y": quantity("mean", y),
                    "color": colour(run),
                    "tooltip": tooltip,
                },
            },
        ],
    )


def spread(xs: np.ndarray, values: np.ndarray, arm: str) -> list[Row]:
    """Return rows of mean and 95 % t interval over the seeds; `values` is (seeds, n)."""
    rows = []
    for x, column in zip(xs.tolist(), values.T, strict=True):
        known = column[np.isfinite(column)]
        if not len(known):
            continue
        found = mean_interval(known.tolist())
        low = found.mean if found.low is None else found.low
        high = found.mean if found.high is None else found.high
        rows.append(
            {
                "arm": arm,
                "x": short(x),
                "mean": short(found.mean),
                "low": short(low),
                "high": short(high),
            }
        )
    return rows


def short(value: float) -> float:
    """Return the value with five significant digits: what can be seen."""
    return float(f"{value:.5g}") if math.isfinite(value) else 0.0


def bands(count: int) -> str:
    if count < 2:
        return "One seed: no band."
    return f"Line: mean of {count} seeds; band: 95 % interval of that mean."


def arrays(series: Series, arm: str, name: str) -> list[np.ndarray]:
    return [found[name] for _, found in sorted(series.get(arm, {}).items()) if name in found]


def names_of(series: Series, keep: Callable[[str], bool]) -> list[str]:
    every = (n for seeds in series.values() for found in seeds.values() for n in found)
    return [name for name in dict.fromkeys(every) if keep(name)]


def seeds_of(series: Series) -> int:
    return max((len(seeds) for seeds in series.values()), default=0)


def known(samples: np.ndarray, values: np.ndarray) -> list[tuple[int, float]]:
    use = np.isfinite(values)
    return [(int(s), float(v)) for s, v in zip(samples[use], values[use], strict=True)]


def thin(grid: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return at most as many points as the chart has room for."""
    places = np.unique(np.linspace(0, len(grid) - 1, min(_POINTS, len(grid))).astype(int))
    return grid[places], values[:, places]


def file_name(name: str) -> str:
    return name.replace("/", "-").replace("_", "-").replace(" ", "-")
