"""Speed of whole pipelines: python benchmarks/pipelines.py [--quick]."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

import measuring
import numpy as np
from measuring import Rate, Table, number

from htmrun.components.classifiers.scores import Activity
from htmrun.components.pipeline import Pipeline
from htmrun.components.sources import Chunk, open_source
from htmrun.config.compose import load
from htmrun.execution.jobs import Builder, schedule_of
from htmrun.training.schedule import Cursor

ABOUT = """
Shipped experiments as they stand, seed 0, on their own data, without metrics and tracking: encoder,
learning stages and classifier, each sample predicted and learned from, in chunks of up to 1024
samples. A window is one pass over the data by a fresh pipeline. *learn* is everything; the columns
after it say where its time goes. *compute* predicts with the trained pipeline, nothing learned.
The stages' own floors stand in the tables above.
"""

HEADS = ["experiment", "arm", "samples", "learn/s", "median", "compute/s", "median"]
HEADS += ["encoder", "spatial pooler", "temporal memory", "classifier"]
KINDS = ("PoolerStage", "MemoryStage")
EXPERIMENTS = [("digits", "online"), ("digits", "minibatch"), ("sequences", "online")]
EXPERIMENTS += [("sequences", "minibatch_50"), ("stream", "online"), ("stream", "minibatch")]


def train(builder: Builder, arm: str, chunks: list[Chunk]) -> tuple[Pipeline, dict[str, float]]:
    """Train a fresh pipeline on `chunks`; return it and the seconds of each of its parts."""
    regime = builder.experiment.arm[arm]
    pipeline, schedule, cursor = builder.pipeline(regime, 0), schedule_of(regime), Cursor()
    spent = dict.fromkeys(("encoder", *KINDS, "classifier"), 0.0)
    for number_, chunk in enumerate(chunks):
        ends = np.zeros(len(chunk), np.uint8)
        ends[-1] = number_ == len(chunks) - 1
        plan, cursor = schedule.plan(cursor, chunk.reset, ends)
        begin = time.process_time()
        activity: Activity = {"encoder": pipeline.encoder.encode(chunk.fields)}
        bits, now = activity["encoder"], time.process_time()
        spent["encoder"] += now - begin
        for stage in pipeline.stages:
            bits, begin = stage.run(bits, plan, activity), now
            now = time.process_time()
            spent[type(stage).__name__] += now - begin
        pipeline.readout.run(activity, pipeline.classes_of(chunk.target), plan)
        spent["classifier"] += time.process_time() - now
    return pipeline, spent


def rate_of(samples: int, seconds: list[float]) -> Rate:
    return Rate(samples / min(seconds), samples / median(seconds))


def measure(experiment: str, arm: str, seconds: float) -> list[str]:
    loaded = load([f"experiment={experiment}"]).experiment
    builder = Builder(loaded, open_source(loaded.data))
    chunks = list(builder.source.train(0, 0, 1024))
    samples = sum(len(chunk) for chunk in chunks)
    train(builder, arm, chunks)
    passes: list[dict[str, float]] = []
    end = time.process_time() + seconds
    while len(passes) < 5 or time.process_time() < end:
        pipeline, spent = train(builder, arm, chunks)
        passes.append(spent)
    learn = rate_of(samples, [sum(spent.values()) for spent in passes])
    computed: list[float] = []
    while len(computed) < 5:
        begin = time.process_time()
        for chunk in chunks:
            pipeline.compute(chunk)
        computed.append(time.process_time() - begin)
    compute = rate_of(samples, computed)
    fastest = min(passes, key=lambda spent: sum(spent.values()))
    whole = sum(fastest.values())
    return [
        *(experiment, arm, f"{samples:,}", number(learn.best), number(learn.median)),
        *(number(compute.best), number(compute.median)),
        *(f"{100 * part / whole:.0f} %" if part else "" for part in fastest.values()),
    ]


def rows(quick: bool) -> Iterator[list[str]]:
    for experiment, arm in EXPERIMENTS:
        yield measure(experiment, arm, 0.3 if quick else 2.0)


TABLES = [Table("Whole pipelines", ABOUT, HEADS, 2, rows)]

if __name__ == "__main__":
    measuring.main(__doc__, TABLES)
