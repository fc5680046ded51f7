"""Fixed held-out samples on which a model is watched: what a commit changes, noise, faults."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from htmrun.backends import rng
from htmrun.backends.bits import Bits
from htmrun.backends.plan import Plan
from htmrun.backends.rng import Purpose
from htmrun.components.pipeline import Outcome, Pipeline
from htmrun.components.registry import register
from htmrun.components.sources import Chunk
from htmrun.components.stages import Stage
from htmrun.training.measures.measure import (
    Due,
    Found,
    Measure,
    Metric,
    Metrics,
    Run,
    Saved,
)
from htmrun.training.measures.swaps import swaps_of

PROBES = 256
NOISE_LEVELS = tuple(round(0.05 * i, 2) for i in range(21))
FAULT_LEVELS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


@register("measure")
class Probes(Measure):
    """The first held-out samples, encoded (or images for a network); nothing of a job without any.

    Churn: predictions that one commit flips. Stability: mean overlap with the winners of the
    previous look over their number (Cui, Ahmad, Hawkins 2017).
    """

    metrics: ClassVar = (
        Metric("noise_accuracy_area", "representation", "up", "accuracy on samples of which "
               "on-bits were moved, mean over 0 to 100 % of them", "share", "Cui et al. 2017",
               main=("classification",)),
        Metric("noise_overlap_area", "representation", "up", "winners kept, mean over the same "
               "noise", "share", "Cui et al. 2017"),
        Metric("fault_accuracy_area", "representation", "up", "accuracy, mean over 0 to 60 % of "
               "the columns killed", "share", "Cui et al. 2017"),
        Metric("stability", "representation", "up", "winners of a fixed sample that are those of "
               "the look before", "share", "Cui et al. 2017"),
        Metric("churn", "learning", "down", "share of the predictions for 256 fixed samples that "
               "one commit flips", "share", main=("classification",)),
        Metric("churn_to_wrong", "learning", "down", "those that were right before", "share"),
    )  # fmt: skip
    order = 45

    def begin(self, run: Run) -> None:
        """Encode the probes, whose targets are int64 (T,)."""
        chunk = next(iter(run.source.test(PROBES) or ()), None)
        self.bits: Any = None if chunk is None else run.pipeline.encoder.encode(chunk.fields)
        self.target = run.pipeline.classes_of(np.zeros(0) if chunk is None else chunk.target)
        self._before: npt.NDArray[np.int64] | None = None
        self._winners: Bits | None = None
        self._looked = 0
        self._watched: dict[str, list[float]] = {
            "churn": [], "churn_to_wrong": [], "stability": [], "sample": []
        }  # fmt: skip

    @property
    def awaits_commit(self) -> bool:  # type: ignore[override]
        """True from a look to the next commit."""
        return self._before is not None

    def look(self, run: Run, due: Due) -> Metrics:
        """Remember predictions at an evaluation until the next commit; compare winners."""
        if not due.evaluation or self.bits is None:
            return {}
        self._looked = run.sample
        outcome = self._now(run)
        self._before = outcome.scores[0].probability.argmax(1)
        pooler = first_pooler(run.pipeline)
        if pooler is None:
            return {}
        winners = outcome.activity[pooler.name]
        if self._winners is not None and len(winners.indices):
            share = float(overlap(self._winners, winners) / len(winners.indices))
            self._watched["stability"].append(share)
        self._winners = winners
        return {}

    def chunk(self, run: Run, chunk: Chunk, plan: Plan, outcome: Outcome) -> None:
        """Take down which predictions a commit flipped, and which it made wrong."""
        if self._before is None or not plan.commit[-1]:
            return
        scores = run.pipeline.compute_bits(self.bits, no_reset(self.bits)).scores[0]
        after, right = scores.probability.argmax(1), self._before == self.target
        flipped = after != self._before
        self._watched["churn"].append(float(flipped.mean()))
        self._watched["churn_to_wrong"].append(float((flipped & right).mean()))
        self._watched["sample"].append(float(self._looked))
        self._before = None

    def finish(self, run: Run) -> Found:
        """Return means and curves, and the churn of each commit that was watched."""
        if self.bits is None:
            return Found()
        means = {n: float(np.mean(v)) for n, v in self._watched.items() if v and n != "sample"}
        clean = self._now(run)
        curves = noise_curves(run.pipeline, self.bits, self.target, run.job.seed, clean)
        fault = fault_curve(run.pipeline, self.target, run.job.seed, clean)
        curves |= {} if fault is None else {"fault_accuracy": fault}
        areas = {f"{name}_area": float(curve.mean()) for name, curve in curves.items()}
        names = {"sample": "sample", "share": "churn", "to_wrong": "churn_to_wrong"}
        watched = {f"churn/{name}": np.array(self._watched[of]) for name, of in names.items()}
        return Found(means | areas, curves | (watched if self._watched["sample"] else {}))

    def _now(self, run: Run) -> Outcome:
        """Return what is made of the probes, which are the first held-out samples, as they are.

        These have just been scored; where nothing else in a chunk matters, that was the same.
        """
        held, samples = run.take_held_out(), len(self.bits)
        known = held is not None and len(held.scores[0].valid) >= samples
        if held is not None and known and run.pipeline.row_by_row:
            return held.first(samples)
        return run.pipeline.compute_bits(self.bits, no_reset(self.bits))

    def state(self) -> Saved:
        """Return what was watched so far."""
        return {"watched": self._watched, "before": self._before, "looked": self._looked,
                "winners": self._winners}  # fmt: skip

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned; dataclasses may come as dicts."""
        winners = saved["winners"]
        self._winners = Bits(**winners) if isinstance(winners, dict) else winners
        self._watched, self._before = saved["watched"], saved["before"]
        self._looked = saved["looked"]


def noise_curves(
    pipeline: Pipeline, bits: Any, target: npt.NDArray[np.int64], seed: int, clean: Outcome
) -> dict[str, npt.NDArray[np.float64]]:
    """Return accuracy, and output overlap of the first SP, over `NOISE_LEVELS`.

    `clean` is what the pipeline makes of `bits` as they are. At level v the share v of a sample's
    on-bits moves to off-bits. Overlap: common winners over the smaller of the two counts (Cui,
    Ahmad, Hawkins 2017).
    """
    if not isinstance(bits, Bits):
        return {}  # It has no bits to move; its noise is that of pixels (`pixel_noise`).
    pooler = first_pooler(pipeline)
    accuracy, common = [], []
    known = None if pooler is None else _compiled().rows_of(clean.activity[pooler.name])
    swaps = swaps_of(bits, seed)
    for level in NOISE_LEVELS:
        noisy = swaps.at(level) if level else bits
        outcome = pipeline.compute_bits(noisy, no_reset(noisy)) if level else clean
        guess = outcome.scores[0].probability.argmax(1)
        accuracy.append(float((guess == target).mean()))
        if pooler is not None and known is not None:
            a, b = clean.activity[pooler.name], outcome.activity[pooler.name]
            smaller = np.minimum(a.counts(), b.counts())
            some = smaller > 0
            shared = _compiled().in_common(known, b)[some] / smaller[some]
            common.append(float(shared.mean()) if len(shared) else 0.0)
    curves = {"noise_accuracy": np.array(accuracy)}
    return curves | ({"noise_overlap": np.array(common)} if common else {})


def fault_curve(
    pipeline: Pipeline, target: npt.NDArray[np.int64], seed: int, clean: Outcome
) -> npt.NDArray[np.float64] | None:
    """Return accuracy over `FAULT_LEVELS`, that share of the last SP's columns being killed.

    `clean` is what the pipeline makes of the samples. The classifier sees the winners that are
    left. None where it does not read an SP directly.
    """
    last = pipeline.stages[-1] if pipeline.stages else None
    if last is None or not last.competes:
        return None
    order = rng.permutation(seed, Purpose.PROBE, 0, last.columns)
    winners, found = clean.activity[last.name], []
    for level in FAULT_LEVELS:
        if not level:
            found.append(float((clean.scores[0].probability.argmax(1) == target).mean()))
            continue
        alive = np.ones(last.columns, np.bool_)
        alive[order[: int(level * last.columns)]] = False
        activity = clean.activity | {last.name: _compiled().without(winners, alive)}
        guess = pipeline.readout.compute(activity, no_reset(winners))[0].probability.argmax(1)
        found.append(float((guess == target).mean()))
    return np.array(found)


def first_pooler(pipeline: Pipeline) -> Stage | None:
    """Return the pipeline's first spatial pooler, if it has one."""
    return next((s for s in pipeline.stages if s.competes), None)


def overlap(a: Bits, b: Bits) -> int:
    """Return how many on-bits two lists of samples have in common, in all."""
    return int(_compiled().in_common(_compiled().rows_of(a), b).sum())


@cache
def _compiled() -> Any:
    """Return what is compiled, looked up once: numba comes late."""
    return import_module("htmrun.backends.cpu")


def no_reset(bits: Any) -> npt.NDArray[np.uint8]:
    """Return flags that none of these samples begins a sequence."""
    return np.zeros(len(bits), np.uint8)
