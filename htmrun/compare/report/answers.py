"""Charts of the answer: differences, single runs, speed against quality."""

from __future__ import annotations

from htmrun.compare.comparison import Comparison
from htmrun.compare.interval import mean_interval
from htmrun.compare.report.blocks import (
    SCHEMA,
    Chart,
    Row,
    base,
    colour,
    file_name,
    quantity,
    short,
)
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.training.measures.measure import RATE
from htmrun.training.measures.registry import better


def differences(comparison: Comparison) -> list[Chart]:
    """Return one chart for each metric: each arm minus the reference, interval and seeds."""
    made = []
    for metric in comparison.metrics:
        if not metric.differences or metric.metric == RATE:
            continue
        base = metric.arms.get(comparison.reference or "")
        points = [
            {"arm": d.arm, "difference": short(d.mean), "low": short(d.low), "high": short(d.high)}
            for d in metric.differences
            if d.low is not None and d.high is not None
        ]
        if not points or base is None:
            continue
        title = f"arm minus {comparison.reference}"
        way = {"up": "; better is to the right", "down": "; better is to the left", "none": ""}
        x = {"type": "quantitative", "title": title}
        y = {"field": "arm", "type": "nominal", "title": None, "sort": None}
        colour = {
            "field": "arm",
            "type": "nominal",
            "legend": None,
            "sort": None,
            "scale": {"domain": [*comparison.arms, *comparison.controls]},
        }
        spec = {
            "$schema": SCHEMA,
            "width": "container",
            "height": 40 + 36 * len(points),
            "layer": [
                {
                    "data": {"values": [{"zero": 0}]},
                    "mark": {"type": "rule", "strokeDash": [3, 3]},
                    "encoding": {"x": {"field": "zero", **x}},
                },
                {
                    "data": {"values": points},
                    "mark": {"type": "rule", "strokeWidth": 3},
                    "encoding": {
                        "x": {"field": "low", **x},
                        "x2": {"field": "high"},
                        "y": y,
                        "color": colour,
                    },
                },
                {
                    "data": {"values": points},
                    "mark": {"type": "point", "filled": True, "size": 90},
                    "encoding": {
                        "x": {"field": "difference", **x},
                        "y": y,
                        "color": colour,
                        "tooltip": [{"field": n} for n in ("arm", "difference", "low", "high")],
                    },
                },
            ],
        }
        made.append(
            Chart(
                f"difference-{file_name(metric.metric)}",
                f"Difference in {metric.metric}",
                f"Mean of the differences, paired by seed, with its 95 % interval. Right of 0: "
                f"higher{way[better(metric.metric)]}. An interval across 0: not told apart.",
                spec,
            )
        )
    return made


def by_seed(run: ExperimentRun, comparison: Comparison) -> Chart | None:
    """Return the first metric of every arm and seed."""
    metric = next((m.metric for m in comparison.metrics if m.metric != RATE), None)
    if metric is None:
        return None
    rows = [
        {"arm": arm, "seed": seed, "value": short(value), "place": place}
        for place, arm in enumerate(run.everybody)
        for seed, value in sorted(run.of(arm, metric).items())
    ]
    # Arms stand below each other: their names have room however narrow the page is.
    y = {"field": "arm", "type": "nominal", "sort": None, "title": None}
    spec = base(
        run,
        rows,
        [
            {
                "mark": {"type": "line", "opacity": 0.35, "strokeWidth": 1, "color": "#999"},
                "encoding": {
                    "x": quantity("value", metric),
                    "y": y,
                    "detail": {"field": "seed"},
                    "order": {"field": "place"},
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60},
                "encoding": {
                    "x": quantity("value", metric),
                    "y": y,
                    "color": colour(run) | {"legend": None},
                    "tooltip": [{"field": n} for n in ("arm", "seed", "value")],
                },
            },
        ],
        40 + 36 * len({row["arm"] for row in rows}),
    )
    return Chart(
        "seeds",
        f"{metric}, seed by seed",
        "Each point is one run; a line joins runs of one seed, which saw the same data.",
        spec,
    )


def offers(run: ExperimentRun, comparison: Comparison) -> Chart | None:
    """Return quality against speed."""
    metric = comparison.offers_metric
    if len(comparison.offers) < 2:
        return None
    rows = []
    for offer in comparison.offers:
        values = run.of(offer.arm, metric)
        found = mean_interval(list(values.values()))
        rows.append(
            {
                "arm": offer.arm,
                "speed": short(offer.speed),
                "mean": short(found.mean),
                "low": short(found.low or found.mean),
                "high": short(found.high or found.mean),
                "beaten by": ", ".join(offer.beaten_by) or "none",
            }
        )
    x = quantity("speed", "training samples per second", scale={"type": "log"})
    spec = base(
        run,
        rows,
        [
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {
                    "x": x,
                    "y": quantity("low", metric),
                    "y2": {"field": "high"},
                    "color": colour(run),
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 110},
                "encoding": {
                    "x": x,
                    "y": quantity("mean", metric),
                    "color": colour(run),
                    "tooltip": [{"field": n} for n in ("arm", "speed", "mean", "beaten by")],
                },
            },
        ],
    )
    best = "low" if better(metric) == "down" else "high"
    return Chart(
        "speed-quality",
        f"{metric} against speed",
        f"Best is {best} and right. Bars: 95 % interval of the mean over seeds.",
        spec,
    )


def over_windows(run: ExperimentRun, comparison: Comparison) -> Chart | None:
    """Return quality and speed over the samples in a window, for arms with a fixed window."""
    metric = comparison.offers_metric
    if not metric:
        return None
    rows: list[Row] = []
    for arm in run.arms:
        job = next(iter(run.jobs[arm].values()))
        window = str(job.data.params.get("regime.learn_every", ""))
        boost = job.data.params.get("regime.boost_at", "commit")
        for name in (metric, RATE):
            values = list(run.of(arm, name).values())
            if window.isdigit() and boost == "commit" and values:
                found = mean_interval(values)
                rows.append(
                    {
                        "arm": arm,
                        "what": name,
                        "window": int(window),
                        "mean": short(found.mean),
                        "low": short(found.low or found.mean),
                        "high": short(found.high or found.mean),
                    }
                )
    if len({row["window"] for row in rows}) < 3:
        return None
    x = quantity("window", "samples in a window, N", scale={"type": "log"})
    panels = [
        {
            "transform": [{"filter": {"field": "what", "equal": name}}],
            "width": 250,
            "height": 220,
            "layer": [
                {"mark": "line", "encoding": {"x": x, "y": quantity("mean", name)}},
                {
                    "mark": {"type": "rule", "strokeWidth": 2},
                    "encoding": {"x": x, "y": quantity("low", name), "y2": {"field": "high"}},
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 80},
                    "encoding": {
                        "x": x,
                        "y": quantity("mean", name),
                        "tooltip": [{"field": n} for n in ("arm", "window", "mean")],
                    },
                },
            ],
        }
        for name in (metric, RATE)
    ]
    spec = {"$schema": SCHEMA, "data": {"values": rows}, "concat": panels, "columns": 2}
    return Chart(
        "windows",
        f"{metric} and speed over the window",
        "Arms that commit, and boost, every N samples. Bars: 95 % intervals.",
        spec,
    )
