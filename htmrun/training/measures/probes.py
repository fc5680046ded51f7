"""Held-out evaluation and probes: frozen state in, figures out, no trace left behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends import rng
from htmrun.backends.bits import Bits
from htmrun.backends.rng import Purpose
from htmrun.components.pipeline import Pipeline
from htmrun.components.sources import Chunk, Source, validation_chunks
from htmrun.components.stages import Stage
from htmrun.training.measures.meters import ClassificationMeter, Figures
from htmrun.training.measures.selectivity import ClassActivity

CHUNK = 1024
PROBES = 256
NOISE_LEVELS = tuple(round(0.05 * i, 2) for i in range(21))
FAULT_LEVELS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


@dataclass
class Probes:
    """Fixed samples on which representations are watched: encoded, or images for a network.

    Nothing here reaches the pipeline's state. `target` is int64 (T,).
    """

    bits: Any
    target: npt.NDArray[np.int64]
    seed: int
    sample: int = 0
    samples: list[int] = field(default_factory=list)
    _before: npt.NDArray[np.int64] | None = None
    _winners: Bits | None = None
    churn: list[float] = field(default_factory=list)
    churn_to_wrong: list[float] = field(default_factory=list)
    stability: list[float] = field(default_factory=list)

    def look(self, pipeline: Pipeline, sample: int = 0) -> None:
        """Remember predictions after `sample` samples until the next commit; compare winners.

        Stability: mean overlap with the winners of the previous look over their number (Cui,
        Ahmad, Hawkins 2017).
        """
        self.sample = sample
        outcome = pipeline.compute_bits(self.bits, _no_reset(self.bits))
        self._before = outcome.scores[0].probability.argmax(1)
        pooler = first_pooler(pipeline)
        if pooler is None:
            return
        winners = outcome.activity[pooler.name]
        if self._winners is not None and len(winners.indices):
            self.stability.append(float(overlap(self._winners, winners) / len(winners.indices)))
        self._winners = winners

    @property
    def waiting(self) -> bool:
        """True while a commit is awaited."""
        return self._before is not None

    def after_commit(self, pipeline: Pipeline) -> None:
        """Take down which predictions the commit flipped, and which it made wrong."""
        if self._before is None:
            return
        scores = pipeline.compute_bits(self.bits, _no_reset(self.bits)).scores[0]
        after, right = scores.probability.argmax(1), self._before == self.target
        flipped = after != self._before
        self.churn.append(float(flipped.mean()))
        self.churn_to_wrong.append(float((flipped & right).mean()))
        self.samples.append(self.sample)
        self._before = None

    def series(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return the churn of each commit that was watched, and after how many samples it came."""
        if not self.samples:
            return {}
        return {
            "churn/sample": np.array(self.samples, np.float64),
            "churn/share": np.array(self.churn),
            "churn/to_wrong": np.array(self.churn_to_wrong),
        }

    def figures(self) -> Figures:
        """Return the means of what was watched."""
        watched = {
            "churn": self.churn,
            "churn_to_wrong": self.churn_to_wrong,
            "stability": self.stability,
        }
        return {name: float(np.mean(values)) for name, values in watched.items() if values}


def take_probes(pipeline: Pipeline, source: Source, seed: int) -> Probes | None:
    """Return the first `PROBES` held-out samples, encoded; None without a held-out set."""
    chunks = source.test(PROBES)
    chunk = next(iter(chunks), None) if chunks is not None else None
    if chunk is None:
        return None
    return Probes(pipeline.encoder.encode(chunk.fields), pipeline.classes_of(chunk.target), seed)


def held_out(pipeline: Pipeline, source: Source) -> Figures:
    """Return accuracy, macro-F1, NLL and calibration error on the held-out samples, or nothing."""
    chunks = source.test(CHUNK)
    return {} if chunks is None else figures_on(pipeline, source, chunks)


def validation(pipeline: Pipeline, source: Source) -> Figures:
    """Return the same figures on the samples that choose the reported epoch, or nothing."""
    chunks = validation_chunks(source, CHUNK)
    if chunks is None:
        return {}
    return {f"validation/{n}": v for n, v in figures_on(pipeline, source, chunks).items()}


def figures_on(pipeline: Pipeline, source: Source, chunks: Iterator[Chunk]) -> Figures:
    """Return accuracy, macro-F1, NLL and calibration error on given samples.

    And of each spatial pooler, as `STAGE/selectivity`, how selective its columns are for classes.
    """
    meter = ClassificationMeter(source.classes)
    poolers = [stage for stage in pipeline.stages if stage.competes]
    wins = {s.name: ClassActivity(source.classes, s.columns) for s in poolers}
    for chunk in chunks:
        outcome = pipeline.compute(chunk)
        meter.add(outcome.scores[0], chunk.target, chunk.scored != 0)
        for name, activity in wins.items():
            activity.add(outcome.activity[name], pipeline.classes_of(chunk.target))
    found = {f"{name}/selectivity": activity.selectivity() for name, activity in wins.items()}
    return meter.figures() | {name: value for name, value in found.items() if value is not None}


def noise_curves(pipeline: Pipeline, probes: Probes) -> dict[str, npt.NDArray[np.float64]]:
    """Return accuracy, and output overlap of the first SP, over `NOISE_LEVELS`.

    At level v the share v of a sample's on-bits moves to off-bits. Overlap: common winners over
    the smaller of the two counts (Cui, Ahmad, Hawkins 2017).
    """
    if not isinstance(probes.bits, Bits):
        return {}  # It has no bits to move; its noise is that of pixels (`pixel_noise`).
    pooler = first_pooler(pipeline)
    accuracy, common = [], []
    clean = pipeline.compute_bits(probes.bits, _no_reset(probes.bits))
    for level in NOISE_LEVELS:
        noisy = swap_bits(probes.bits, level, probes.seed)
        outcome = pipeline.compute_bits(noisy, _no_reset(noisy))
        guess = outcome.scores[0].probability.argmax(1)
        accuracy.append(float((guess == probes.target).mean()))
        if pooler is not None:
            a, b = clean.activity[pooler.name], outcome.activity[pooler.name]
            smaller = np.minimum(a.counts(), b.counts())
            shared = _overlaps(a, b)[smaller > 0] / smaller[smaller > 0]
            common.append(float(shared.mean()) if len(shared) else 0.0)
    curves = {"noise_accuracy": np.array(accuracy)}
    return curves | ({"noise_overlap": np.array(common)} if common else {})


def fault_curve(pipeline: Pipeline, probes: Probes) -> npt.NDArray[np.float64] | None:
    """Return accuracy over `FAULT_LEVELS`, that share of the last SP's columns being killed.

    The classifier sees the winners that are left. None where it does not read an SP directly.
    """
    last = pipeline.stages[-1] if pipeline.stages else None
    if last is None or not last.competes:
        return None
    outcome = pipeline.compute_bits(probes.bits, _no_reset(probes.bits))
    order = rng.permutation(probes.seed, Purpose.PROBE, 0, last.columns)
    winners, found = outcome.activity[last.name], []
    for level in FAULT_LEVELS:
        alive = np.ones(last.columns, np.bool_)
        alive[order[: int(level * last.columns)]] = False
        activity = outcome.activity | {last.name: keep(winners, alive)}
        guess = pipeline.readout.compute(activity, _no_reset(winners))[0].probability.argmax(1)
        found.append(float((guess == probes.target).mean()))
    return np.array(found)


def swap_bits(bits: Bits, level: float, seed: int) -> Bits:
    """Return `bits` with the share `level` of each sample's on-bits moved to off-bits."""
    dense = bits.dense().astype(np.bool_)
    word = rng.hash2(
        rng.key(seed, Purpose.NOISE),
        np.arange(len(bits), dtype=np.uint64)[:, None],
        np.arange(bits.size, dtype=np.uint64)[None, :],
    )
    moved = np.minimum((bits.counts() * level).astype(np.int64), bits.size - bits.counts())
    # Order within a sample: on-bits by hash, or off-bits by hash; the first `moved` flip.
    for side in (dense.copy(), ~dense):
        rank = np.where(side, word >> np.uint64(1), np.uint64(2**64 - 1)).argsort(1).argsort(1)
        dense ^= side & (rank < moved[:, None])
    return Bits.from_dense(dense)


def keep(bits: Bits, alive: npt.NDArray[np.bool_]) -> Bits:
    """Return `bits` without the bits that are not `alive` (bool, one per bit)."""
    left = alive[bits.indices]
    counts = np.add.reduceat(np.append(left, False), bits.offsets[:-1]) * (bits.counts() > 0)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Bits(bits.size, bits.indices[left], offsets)


def first_pooler(pipeline: Pipeline) -> Stage | None:
    """Return the pipeline's first spatial pooler, if it has one."""
    return next((s for s in pipeline.stages if s.competes), None)


def overlap(a: Bits, b: Bits) -> int:
    """Return how many on-bits two lists of samples have in common, in all."""
    return int(_overlaps(a, b).sum())


def _overlaps(a: Bits, b: Bits) -> npt.NDArray[np.int64]:
    return (a.dense() & b.dense()).sum(1, dtype=np.int64)


def _no_reset(bits: Any) -> npt.NDArray[np.uint8]:
    return np.zeros(len(bits), np.uint8)
