"""Anomalies in the Numenta Anomaly Benchmark: python benchmarks/nab.py --data DIR.

DIR holds the benchmark's `data/` and `labels/combined_windows.json`; files that are not there are
left out. Every file is learned once by a fresh pipeline, experiment=stream without the season,
online. Scored are: its temporal memory's anomaly score, the anomaly likelihood, the likelihood or a
value outside the range so far, and that range alone. Fields can be set as in
`htmrun train`: python benchmarks/nab.py --data DIR sp.boost_strength=0. Prints a table.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from htmrun.components.sources import open_source
from htmrun.components.stages.memory import MemoryStage
from htmrun.config.compose import load
from htmrun.execution.jobs import Builder, schedule_of
from htmrun.training.measures.anomaly import AnomalyLikelihood, log_scale, out_of_range
from htmrun.training.measures.nab_score import PROFILES, Labelled, at_threshold, best
from htmrun.training.schedule import Cursor

BUCKETS = 130
"""Buckets in a file's range, which the benchmark allows to be known beforehand."""

DETECTORS = ("raw anomaly score", "likelihood", "likelihood or out of range", "out of range")

FIXED = 0.5
"""A threshold that nobody chose by its score: a likelihood of .99999, as `anomaly.alarm`."""


def rows_of(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the timestamps and the values of a file."""
    with path.open(newline="") as text:
        rows = list(csv.DictReader(text))
    times = np.array([r["timestamp"] for r in rows], "datetime64[s]")
    return times, np.array([float(r["value"]) for r in rows])


def places(times: np.ndarray, windows: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Return the first and the last row of each window."""
    edges = [np.array([edge[:19] for edge in window], "datetime64[s]") for window in windows]
    inside = [np.flatnonzero((times >= first) & (times <= last)) for first, last in edges]
    return [(int(rows[0]), int(rows[-1])) for rows in inside]


def scores_of(
    path: Path, values: np.ndarray, fields: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return anomaly score and likelihood of each row while a fresh pipeline learns the file."""
    low, high = float(values.min()), float(values.max())
    given = [
        "experiment=stream",
        "encoder.fields.timestamp.season=null",
        f"data.path={path}",
        "data.value=value",
        "data.timestamp=timestamp",
        f"encoder.fields.value.resolution={max(0.001, (high - low) / BUCKETS)}",
        f"classifier.minimum={low}",
        f"classifier.maximum={high + 0.001}",
    ]
    experiment = load([*given, *fields]).experiment
    builder, arm = Builder(experiment, open_source(experiment.data)), experiment.arm["online"]
    pipeline, schedule, cursor = builder.pipeline(arm, 0), schedule_of(arm), Cursor()
    raw = []
    for chunk in builder.source.train(0, 0, 1024):
        plan, cursor = schedule.plan(cursor, chunk.reset, np.zeros(len(chunk), np.uint8))
        pipeline.run(chunk, plan)
        memory = next(s for s in pipeline.stages if isinstance(s, MemoryStage))
        assert memory.cells is not None
        raw.append(1 - memory.cells.hits / np.maximum(memory.active_columns, 1))
    scores = np.concatenate(raw)
    return scores, AnomalyLikelihood(experiment.anomaly).add(scores)


def detect(data: Path, fields: Sequence[str], entry: tuple[str, list]) -> list[Labelled]:
    """Learn one file; return its scores by `DETECTORS`, with its windows."""
    name, windows = entry
    times, values = rows_of(data / "data" / name)
    raw, found = scores_of((data / "data" / name).resolve(), values, fields)
    likelihood, where = log_scale(found), places(times, windows)
    beyond = out_of_range(values)
    scores = [raw, likelihood, np.where(beyond, 1.0, likelihood), beyond.astype(np.float64)]
    return [Labelled(score, where) for score in scores]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the benchmark")
    parser.add_argument("fields", nargs="*", help="fields to set, as in htmrun train")
    options = parser.parse_args()
    labels = json.loads((options.data / "labels" / "combined_windows.json").read_text())
    there = [(n, w) for n, w in sorted(labels.items()) if (options.data / "data" / n).exists()]
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(partial(detect, options.data, options.fields), there))
    files = [scores[0] for scores in found]
    rows = sum(len(f.score) for f in files)
    print(f"{len(files)} files, {rows:,} rows, {sum(len(f.windows) for f in files)} windows\n")
    print(f"| detector | profile | best threshold | points | score | score at {FIXED} |")
    print("| --- | --- | --- | --- | --- | --- |")
    for detector, files in zip(DETECTORS, zip(*found, strict=True), strict=True):
        for name, profile in PROFILES.items():
            top, fixed = best(files, profile), at_threshold(files, profile, FIXED)
            cells = f"{top.threshold:.3f} | {top.points:.2f} | {top.normalized:.1f}"
            print(f"| {detector} | {name} | {cells} | {fixed.normalized:.1f} |")


if __name__ == "__main__":
    main()
