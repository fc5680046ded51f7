"""Charts over training samples and over damage: learning, churn, growth, noise, faults."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from htmrun.compare.report.blocks import (
    Chart,
    Row,
    arrays,
    band,
    bands,
    file_name,
    known,
    names_of,
    seeds_of,
    spread,
    thin,
)
from htmrun.tracking.arrays import Series
from htmrun.tracking.plots import on_one_grid
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.training.measures.pixel_noise import LEVELS as PIXEL_LEVELS
from htmrun.training.measures.probes import FAULT_LEVELS, NOISE_LEVELS
from htmrun.training.measures.registry import main_among

_CURVES = 6
# The sample is the axis; macro-F1 runs beside accuracy.
_UNDRAWN = ("curve/sample", "curve/macro_f1", "curve/recent/macro_f1")


def curves(run: ExperimentRun, series: Series) -> list[Chart]:
    """Return the learning curves: what was measured while learning, then held-out figures."""
    names = names_of(series, lambda n: n.startswith("curve/") and n not in _UNDRAWN)
    main = [m.split("/")[-1] for m in main_among(run.task, run.metrics)]
    names.sort(key=lambda n: (n.split("/")[-1] not in main, "recent/" not in n, n.count("/")))
    made = []
    for name in names[:_CURVES]:
        rows: list[Row] = []
        for arm in run.everybody:
            seeds = [
                [*known(found["curve/sample"], found[name]), *_end(run, arm, seed, name)]
                for seed, found in series.get(arm, {}).items()
                if name in found and "curve/sample" in found
            ]
            seeds = [points for points in seeds if len(points) > 1]
            if seeds:
                grid, values = on_one_grid(seeds)
                rows += spread(*thin(grid, values), arm)
        if rows:
            what = name.removeprefix("curve/")
            since = (
                "measured while learning, since the point before"
                if "recent/" in what
                else "on held-out samples"
            )
            made.append(
                Chart(
                    f"curve-{file_name(what)}",
                    f"{what.removeprefix('recent/')}, {since.split(',')[0]}",
                    f"{what}: {since}. {bands(seeds_of(series))}",
                    band(run, rows, "training samples", what.removeprefix("recent/")),
                )
            )
    return made


def _end(run: ExperimentRun, arm: str, seed: int, name: str) -> list[tuple[int, float]]:
    """Return the point after the last sample, which held-out curves do not hold."""
    what = name.removeprefix("curve/")
    final, samples = run.of(arm, what).get(seed), run.of(arm, "samples").get(seed)
    return [] if final is None or samples is None else [(int(samples), final)]


def levels(run: ExperimentRun, series: Series) -> list[Chart | None]:
    told = bands(seeds_of(series))
    return [
        _level(
            run,
            series,
            "noise_accuracy",
            NOISE_LEVELS,
            "share of on-bits moved",
            "accuracy",
            "Noise: accuracy",
            f"Accuracy on samples of which on-bits were moved. {told}",
        ),
        _level(
            run,
            series,
            "noise_score_curve",
            PIXEL_LEVELS,
            "share of pixels hit",
            "accuracy",
            "Pixel noise: accuracy",
            f"Accuracy on held-out images of which pixels were set to a bright value. {told}",
        ),
        _level(
            run,
            series,
            "noise_overlap",
            NOISE_LEVELS,
            "share of on-bits moved",
            "share of winners kept",
            "Noise: winners kept",
            f"How many columns still win when on-bits are moved. {told}",
        ),
        _level(
            run,
            series,
            "fault_accuracy",
            FAULT_LEVELS,
            "share of columns killed",
            "accuracy",
            "Faults: accuracy",
            f"Accuracy after a share of the columns has been killed. {told}",
        ),
    ]


def _level(
    run: ExperimentRun,
    series: Series,
    name: str,
    levels: Sequence[float],
    x: str,
    y: str,
    title: str,
    caption: str,
) -> Chart | None:
    rows: list[Row] = []
    for arm in run.everybody:
        found = [a for a in arrays(series, arm, name) if len(a) == len(levels)]
        if found:
            rows += spread(np.array(levels), np.stack(found), arm)
    return Chart(file_name(name), title, caption, band(run, rows, x, y)) if rows else None


def over_samples(run: ExperimentRun, series: Series) -> list[Chart | None]:
    """Return churn over time, and the growth of segments and synapses."""
    told = bands(seeds_of(series))
    made = [
        _over(
            run,
            series,
            "churn/sample",
            "churn/share",
            "share of predictions flipped",
            "Churn over time",
            f"Predictions of fixed samples that one commit flips. {told}",
        )
    ]
    for name in names_of(series, lambda n: n.endswith(("/growth/segments", "/growth/synapses"))):
        stage, _, what = name.partition("/growth/")
        made.append(
            _over(
                run,
                series,
                f"{stage}/growth/sample",
                name,
                f"{what} of {stage}",
                f"Growth: {what} of {stage}",
                f"How many {what} the memory holds. {told}",
            )
        )
    return made


def _over(
    run: ExperimentRun, series: Series, samples: str, name: str, y: str, title: str, caption: str
) -> Chart | None:
    rows: list[Row] = []
    for arm in run.everybody:
        found = [
            known(a[samples], a[name])
            for a in series.get(arm, {}).values()
            if name in a and len(a[name]) > 1
        ]
        if found:
            rows += spread(*thin(*on_one_grid(found)), arm)
    spec = band(run, rows, "training samples", y)
    return Chart(file_name(name), title, caption, spec) if rows else None
