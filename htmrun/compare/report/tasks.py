"""Charts of tasks one after the other: what is still known of each, and answers around changes."""

from __future__ import annotations

import numpy as np

from htmrun.compare.report.blocks import (
    SCHEMA,
    Chart,
    Row,
    Spec,
    arrays,
    band,
    bands,
    seeds_of,
    short,
    spread,
)
from htmrun.compare.report.style import HEAT
from htmrun.tracking.arrays import Series
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.training.measures.tasks import AROUND, MATRIX, OFFSET


def tasks(run: ExperimentRun, series: Series) -> list[Chart]:
    """Return the accuracy matrices and the answers around changes; nothing without tasks."""
    rows: list[Row] = []
    around: list[Row] = []
    for arm in run.everybody:
        found = arrays(series, arm, MATRIX)
        if found:
            mean = np.mean(found, axis=0)
            rows += [
                {"arm": arm, "after": y, "task": x + 1, "accuracy": short(float(value))}
                for (y, x), value in np.ndenumerate(mean)
            ]
        curves, places = arrays(series, arm, AROUND), arrays(series, arm, OFFSET)
        if curves:
            around += spread(places[0], np.stack(curves), arm)
    if not rows:
        return []
    made = [
        Chart(
            "tasks-accuracy",
            "Accuracy on each task after each",
            "Held-out accuracy, mean over seeds: a row for each task that was learned, the "
            "untrained model first (0), a column for each task. On the diagonal is the task just "
            "learned, below it what is left of earlier ones, above it what helps later ones.",
            _matrices(rows),
        )
    ]
    if around:
        made.append(
            Chart(
                "change-around",
                "Answers around a change of task",
                "Share of right answers, each given before its sample is learned, in steps of 20 "
                f"samples around a change, mean over the changes. {bands(seeds_of(series))}",
                band(run, around, "samples since another task began", "accuracy"),
            )
        )
    return made


def _matrices(rows: list[Row]) -> Spec:
    count = max(row["task"] for row in rows)
    axis = {"labelAngle": 0, "ticks": False, "domain": False}
    place = {
        "x": {"field": "task", "type": "ordinal", "title": "held-out task", "axis": axis},
        "y": {"field": "after", "type": "ordinal", "title": "after task", "axis": axis},
    }
    colour = {
        "field": "accuracy",
        "type": "quantitative",
        "scale": {"scheme": HEAT, "domain": [0, 1]},
        "legend": {"title": "accuracy", "gradientLength": 150},
    }
    layers: list[Spec] = [
        {"mark": {"type": "rect", "tooltip": True}, "encoding": {**place, "color": colour}}
    ]
    return {
        "$schema": SCHEMA,
        "data": {"values": rows},
        "facet": {
            "field": "arm",
            "type": "nominal",
            "title": None,
            "sort": list(dict.fromkeys(row["arm"] for row in rows)),
        },
        "columns": 4,
        "spec": {"width": max(130, 14 * count), "height": max(130, 14 * count), "layer": layers},
        "usermeta": {"wide": True},
    }
