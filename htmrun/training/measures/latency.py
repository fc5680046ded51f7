"""How long one sample takes when samples come one by one, Python's overhead included."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar

import numpy as np

from htmrun.components.pipeline import Pipeline
from htmrun.components.registry import register
from htmrun.components.sources import Chunk, Source
from htmrun.training.measures.measure import Found, Measure, Metric, Metrics, Run
from htmrun.training.schedule import Cursor, Schedule

SAMPLES, FEWEST = 128, 32
BUDGET_S = 0.01
"""Samples are handed over until so much time is gone, but no more and no fewer than these."""


@register("measure")
class Latency(Measure):
    """Quantiles over the first 32 to 128 training samples, as far as 10 ms go."""

    metrics: ClassVar = (
        Metric("latency/{infer,learn,commit}_{p50,p99}_us", "cost", "down", "time of one sample "
               "handed over alone: prediction, a sample without and one with a commit; of the "
               "first 32 to 128 samples, as far as 10 ms go; not where models share launches on a "
               "card", "µs", timed=True),
    )  # fmt: skip
    order = 100

    def finish(self, run: Run) -> Found:
        """Return the quantiles; the state is put back."""
        if not run.course.measure_latency:
            return Found()
        reported = run.state
        found = measure(run.pipeline, run.source, run.schedule, run.job.seed)
        run.pipeline.load(reported)
        return Found(found)


def measure(pipeline: Pipeline, source: Source, schedule: Schedule, seed: int) -> Metrics:
    """Return p50 and p99 in microseconds: of predicting, of learning without and with a commit.

    Trains the pipeline on.
    """
    chunk = next(iter(source.train(seed, 0, SAMPLES)), None)
    if chunk is None:
        return {}
    times: dict[str, list[float]] = {"infer": [], "learn": [], "commit": []}
    cursor, none = Cursor(), np.zeros(1, np.uint8)
    commits = schedule.plan(cursor, chunk.reset, np.zeros(len(chunk), np.uint8))[0].commit
    # What is reported does not depend on the clock: a late commit is waited for.
    due = {"commit" if commit else "learn" for commit in commits}
    end = time.perf_counter() + BUDGET_S
    for number, single in enumerate(_singles(chunk)):
        enough = number >= FEWEST and all(times[kind] for kind in due)
        if enough and time.perf_counter() > end:
            break
        plan, cursor = schedule.plan(cursor, single.reset, none)
        times["infer"].append(_timed(partial(pipeline.compute, single)))
        kind = "commit" if plan.commit[0] else "learn"
        times[kind].append(_timed(partial(pipeline.run, single, plan)))
    return {
        f"latency/{kind}_{label}_us": float(np.quantile(values, q) * 1e6)
        for kind, values in times.items()
        for label, q in (("p50", 0.5), ("p99", 0.99))
        if values
    }


def _singles(chunk: Chunk) -> Iterator[Chunk]:
    return (chunk.slice(t, t + 1) for t in range(len(chunk)))


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun
