"""Charts along a series: values and forecasts, errors over time, anomalies."""

from __future__ import annotations

from typing import Any

import numpy as np

from htmrun.compare.report.blocks import (
    SCHEMA,
    Chart,
    Row,
    Spec,
    band,
    bands,
    base,
    colour,
    dash,
    quantity,
    short,
    spread,
)
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.tracking.stretches import (
    SHOWN,
    Glimpse,
    Glimpses,
    Timeline,
    best,
    first_of,
    horizons,
    together,
)

MOST_ARMS = 3
_MARK = "#b00020"
_DATES = (
    "utcFormat(datum.value, utchours(datum.value) || utcminutes(datum.value) ? '%H:%M' : "
    "utcdate(datum.value) == 1 && utcmonth(datum.value) == 0 ? '%Y' : '%-d %b')"
)
_ENDS = {"minExtent": 46, "maxExtent": 60}


def along(run: ExperimentRun, found: Glimpses) -> list[Chart | None]:
    """Return the charts for which there is something: `found` has what jobs left to draw."""
    drawn = horizons(found)
    return [
        *(_forecast(run, found, h) for h in drawn),
        *(_errors(run, found, h) for h in drawn),
        _anomalies(run, found),
    ]


def _forecast(run: ExperimentRun, found: Glimpses, h: int) -> Chart | None:
    arms = best(found, run.arms, h, MOST_ARMS)
    shown = [*arms, *best(found, run.controls, h, 1)]
    rows: list[Row] = []
    for arm in shown:
        part = first_of(found[arm]).stretches.get(h)
        if part is None:
            continue
        ends = [part.low, part.high]
        for i, x in enumerate(places(part.x)):
            row = {"arm": arm, "x": x, "forecast": known(part.forecast[i])}
            low, high = (None if end is None else known(end[i]) for end in ends)
            rows.append(row | ({} if low is None else {"low": low, "high": high}))
    if not rows:
        return None
    one = first_of(found[shown[0]]).stretches[h]
    across, values = (
        axis_of(one.x),
        [{"x": x, "value": known(v)} for x, v in zip(places(one.x), one.value, strict=True)],
    )
    tooltip = [{"field": "arm", "type": "nominal"}, shown_as(one.x)]
    tooltip += [{"field": n, "type": "quantitative", "format": ".4~g"} for n in
                ("forecast", "low", "high")]  # fmt: skip
    y = quantity("forecast", "value")
    layers: list[Spec] = [
        {
            "mark": {"type": "area", "fillOpacity": 0.18},
            "encoding": {"x": across, "y": quantity("low", "value"), "y2": {"field": "high"},
                         "color": colour(run)},
            "transform": [{"filter": "isValid(datum.low)"}],
        },
        {
            "mark": {"type": "line", "strokeWidth": 1.4},
            "encoding": {"x": across, "y": y, "strokeDash": dash(run),
                         "color": colour(run) | {"legend": {"symbolType": "stroke",
                                                            "symbolSize": 300}}},
        },
        {
            "data": {"values": values},
            "mark": {"type": "line", "style": "value"},
            "encoding": {"x": across, "y": quantity("value", "value")},
        },
        {
            "mark": {"type": "point", "size": 70, "fillOpacity": 0, "strokeOpacity": 0},
            "encoding": {"x": across, "y": y, "color": colour(run), "tooltip": tooltip},
        },
    ]  # fmt: skip
    left = [arm for arm in run.arms if arm in found and arm not in arms]
    more = f" Left out, with larger errors: {', '.join(left)}." if left else ""
    return Chart(
        f"forecast-{h}",
        f"Values and forecasts, {h} ahead",
        f"The last {min(SHOWN, len(one.x))} rows of the first seed: the values (black or white), "
        f"what was forecast of them {h} row{'s' * (h > 1)} before, and its 90 % interval; beside "
        f"it the best control.{more}",
        _wide(base(run, rows, layers)),
    )


def _errors(run: ExperimentRun, found: Glimpses, h: int) -> Chart | None:
    rows: list[Row] = []
    x = np.zeros(0)
    window = 0
    most = 1
    for arm in run.everybody:
        seeds = [one.errors[h] for _, one in sorted(found.get(arm, {}).items()) if h in one.errors]
        if not seeds:
            continue
        x, values = together(seeds)
        window, most = seeds[0].window, max(most, len(values))
        when = places(x)
        # By number first: five digits are not enough for a date.
        for row in spread(np.arange(len(x)), values, arm):
            # No error is below 0, wherever an interval over few seeds reaches.
            rows.append(row | {"x": when[int(row["x"])], "low": max(0.0, row["low"])})
    if not rows:
        return None
    spec = band(run, rows, "", f"RMSE of {window:,} rows")
    for layer in spec["layer"]:
        layer["encoding"]["x"] = axis_of(x)
        layer["encoding"]["y"]["scale"] = {"zero": True, "nice": True}
        if "tooltip" in layer["encoding"]:
            layer["encoding"]["tooltip"][1] = shown_as(x)
    return Chart(
        f"error-{h}",
        f"Error over time, {h} ahead",
        f"Root of the mean squared error of the last {window:,} rows. {bands(most)}",
        _wide(spec),
    )


def _anomalies(run: ExperimentRun, found: Glimpses) -> Chart | None:
    lines: dict[str, Timeline] = {}
    for arm in run.everybody:
        seen = first_of(found[arm]) if arm in found else Glimpse()
        if seen.timeline is not None and len(lines) < MOST_ARMS:
            lines[arm] = seen.timeline
    if not lines:
        return None
    one = next(iter(lines.values()))
    across = axis_of(one.x)
    begins, ends = (places(one.windows[:, side]) for side in (0, 1))
    marked = [{"x": begin, "x2": end} for begin, end in zip(begins, ends, strict=True)]
    shade: list[Spec] = [
        {
            "data": {"values": marked},
            "mark": {"type": "rect", "color": _MARK, "opacity": 0.16},
            "encoding": {"x": across, "x2": {"field": "x2"}},
        }
    ] * bool(marked)
    values = [
        {"x": x, "low": known(low), "high": known(high)}
        for x, low, high in zip(places(one.x), one.low, one.high, strict=True)
    ]
    # A row of triangles for each arm, at the upper edge.
    alerts: list[Spec] = [
        {
            "data": {"values": [{"arm": arm, "x": x} for x in places(line.alerts)]},
            "mark": {"type": "point", "shape": "triangle-down", "filled": True, "size": 60,
                     "opacity": 1},
            "encoding": {"x": across, "y": {"value": 4 + 9 * row},
                         "color": colour(run) | {"legend": None},
                         "tooltip": [{"field": "arm"}, shown_as(one.x)]},
        }
        for row, (arm, line) in enumerate(lines.items()) if len(line.alerts)
    ]  # fmt: skip
    tall = {"height": 110}
    panels: list[Spec] = [
        tall | {"layer": [
            *shade,
            {"data": {"values": values}, "mark": {"type": "area", "style": "reach"},
             "encoding": {"x": across, "y": quantity("low", "value", axis=_ENDS),
                          "y2": {"field": "high"}}},
            *alerts,
        ]},
    ]  # fmt: skip
    for arm, line in lines.items():
        rows = [
            {"arm": arm, "x": x, "y": short(float(y))}
            for x, y in zip(places(line.x), line.unusual, strict=True)
        ]
        axis = quantity("y", arm, axis=_ENDS, scale={"domain": [0, 1]})
        panels.append(tall | {"layer": [
            *shade,
            {"data": {"values": rows}, "mark": {"type": "area", "tooltip": True},
             "encoding": {"x": across, "y": axis, "color": colour(run) | {"legend": None}}},
        ]})  # fmt: skip
    told = " Shaded: labelled windows." if marked else ""
    return Chart(
        "anomalies",
        "Anomalies over time",
        "Above the values (from lowest to highest, where a point stands for many rows) and the "
        "alerts of each arm (triangles), below how unusual it found them: the log-likelihood, 1 is "
        f"the highest. First seed.{told}",
        _wide({"$schema": SCHEMA, "vconcat": panels, "spacing": 8}),
    )


def places(x: np.ndarray) -> list[Any]:
    """Return times as milliseconds since 1970, row numbers as they are."""
    dated = np.issubdtype(x.dtype, np.datetime64)
    return list((x.astype("datetime64[ms]").astype(np.int64) if dated else x).tolist())


def axis_of(x: np.ndarray) -> Spec:
    """Return the axis across, of dates or of row numbers."""
    if np.issubdtype(x.dtype, np.datetime64):
        axis = {"labelExpr": _DATES, "title": None}
        return {"field": "x", "type": "temporal", "axis": axis, "scale": {"type": "utc"}}
    return quantity("x", "row", scale={"nice": False})


def shown_as(x: np.ndarray) -> Spec:
    """Return how the place is shown under the pointer."""
    if np.issubdtype(x.dtype, np.datetime64):
        when = {"field": "x", "type": "temporal", "title": "time"}
        return when | {"format": "%Y-%m-%d %H:%M", "formatType": "utcFormat"}
    return {"field": "x", "type": "quantitative", "title": "row"}


def known(value: float) -> float | None:
    """Return the figure with five digits, None for NaN: a gap."""
    return short(float(value)) if np.isfinite(value) else None


def _wide(spec: Spec) -> Spec:
    """Return the specification of a chart that takes the whole width of the page."""
    return spec | {"usermeta": spec.get("usermeta", {}) | {"wide": True}}
