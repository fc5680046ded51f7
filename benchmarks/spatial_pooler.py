"""Speed of the spatial pooler: python benchmarks/spatial_pooler.py [--quick]."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import product

import measuring
import numpy as np
from measuring import Table, number, share, times

from htmrun.backends import SpatialPoolerBackend, load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan

ABOUT = """
Random patterns, half of the inputs in each potential pool, 2 % winners. *new*: no pattern
comes twice within a window, so that synapses go on connecting and disconnecting; a number:
so many patterns, again and again. *window*: samples between commits. *reference* is the
NumPy backend, learning on the same samples. The floor is what memory alone would allow, at
rates measured on arrays of the same sizes: for inference, every on-input's row of connected
bits is read once (on * columns / 8 bytes); for learning, the int16 permanences of every
column that won in a window are also read and written (4 * columns that won * inputs bytes a
window). It leaves out all arithmetic, selection, duty cycles, boosting and changed connections.
*threads*: 1, in processor time on one core; more, in wall-clock time on as many cores, where other
work on the machine tells most; such rows have no floor, which is that of one core.
"""

HEADS = ["size", "on", "inhibition", "patterns", "window", "threads"]
HEADS += ["learn/s", "median", "reference/s"]
HEADS += ["ratio", "floor/s", "share of floor", "infer/s", "median"]
HEADS += ["inference floor/s", "share of inference floor", "build s"]
ABOUT_GRIDS = """
As above, 1024 inputs of which 5 % are on, 64 patterns, a window of 1, one thread, best windows.
*cost*: the time of a sample beside that of global inhibition among as many columns, measured right
after.
"""
GRID_HEADS = ["grid", "radius", "boost", "learn/s", "infer/s", "cost", "inference cost"]
GRIDS: tuple[tuple[int, ...], ...] = (
    (64, 32),
    (32, 32),
    (48, 20),
    (100, 10),
    (128, 64),
    (8, 16, 16),
    (2048,),
)
BOOST = {"boost_strength": 3.0}
LOCAL = {"column_shape": (64, 32), "inhibition": "local", "inhibition_radius": 8}


@dataclass(frozen=True)
class Case:
    """One row: sizes, share of inputs on, window, further parameters, patterns (0: new ones)."""

    inputs: int
    columns: int
    density: float
    window: int = 1
    settings: dict = field(default_factory=dict)
    patterns: int = 64
    threads: int = 1

    @property
    def label(self) -> str:
        what = "local" if "inhibition" in self.settings else "global"
        return what + (" + boost" if "boost_strength" in self.settings else "")

    @property
    def large(self) -> bool:
        return self.inputs * self.columns > 1 << 22

    @property
    def part(self) -> int:
        """Samples that are timed at a time."""
        return 64 if self.large else max(512, self.patterns)

    def samples(self) -> Bits:
        """Return whole parts, with the patterns as often as they fit into each."""
        random = np.random.default_rng(0)
        different = self.patterns or (512 if self.large else 8192)
        bits = Bits.from_dense(random.random((different, self.inputs)) < self.density)
        return Bits.concatenate([bits] * max(1, self.part // different))

    def pooler(self, backend: str = "cpu") -> SpatialPoolerBackend:
        parameters = SpatialPoolerParameters(columns=self.columns, **self.settings)
        return load_backend(backend, self.threads).SpatialPooler(parameters, (self.inputs,), 1)


def cases(quick: bool) -> list[Case]:
    """Return the rows of the table; `quick` leaves out the largest."""
    rows = [Case(1024, 2048, d, settings=s) for s in ({}, BOOST) for d in (0.02, 0.05, 0.2)]
    rows += [Case(1024, 2048, 0.05, settings=s, patterns=0) for s in ({}, BOOST)]
    rows += [Case(1024, 2048, 0.05, settings=s) for s in (LOCAL, {**LOCAL, **BOOST})]
    for settings in ({}, BOOST):
        rows += [Case(784, 2048, 0.19, n, settings, 1024) for n in (1, 10, 64, 256)]
    if not quick:
        rows += [Case(4096, 4096, 0.02, settings=s) for s in ({}, BOOST)]
        rows += [
            Case(16384, 16384, 0.02, settings=s, patterns=n) for n in (64, 0) for s in ({}, BOOST)
        ]
    return rows


def shared_cases() -> list[Case]:
    """Return the rows with a thread for each core, if there are several."""
    windows = (64, 256) if measuring.cores() > 1 else ()
    return [
        Case(784, 2048, 0.19, n, settings, 1024, measuring.cores())
        for settings in ({}, BOOST)
        for n in windows
    ]


def floors(case: Case, winners: Bits) -> tuple[float, float]:
    """Return the (learning, inference) steps per second that memory allows."""
    synapses = case.inputs * case.columns
    overlap = case.density * synapses / 8 / measuring.read_rate(synapses // 8)
    ends = range(case.window, len(winners) + 1, case.window)
    won = [len(np.unique(winners.slice(e - case.window, e).indices)) for e in ends]
    changed = 4 * float(np.mean(won)) * case.inputs / case.window
    return 1 / (overlap + changed / measuring.update_rate(2 * synapses)), 1 / overlap


def reference_rate(case: Case, bits: Bits, seconds: float) -> float:
    """Return learning steps per second of the NumPy backend; 0 if too large to be worth it."""
    if case.inputs * case.columns > 1 << 24:
        return 0.0
    pooler = case.pooler("reference")
    samples = bits.slice(0, max(case.window, 16))
    plan = Plan.every(case.window, len(samples))
    return measuring.plain_rate(lambda: pooler.run(samples, plan), len(samples), seconds)


def measure(case: Case, seconds: float) -> list[str]:
    """Run one case; return the cells of its row."""
    bits = case.samples()
    built = 1 / measuring.plain_rate(case.pooler, 1, 0.0)
    pooler = case.pooler()
    plan = Plan.every(case.window, case.part)
    several = case.threads > 1
    clock, longer = (time.perf_counter, 4) if several else (time.process_time, 1)
    with measuring.all_cores() if several else nullcontext():
        learn = measuring.windows(
            lambda part: pooler.run(part, plan), bits, case.part, longer * seconds, clock
        )
        infer = measuring.windows(pooler.compute, bits, case.part, longer * seconds / 2, clock)
    winners = pooler.compute(bits.slice(0, max(16, case.window)))
    plain = reference_rate(case, bits, seconds)
    learn_floor, infer_floor = (0.0, 0.0) if several else floors(case, winners)
    return [
        f"{case.inputs} -> {case.columns}",
        f"{100 * case.density:.0f} %",
        case.label,
        f"{case.patterns}" if case.patterns else "new",
        f"{case.window}",
        f"{case.threads}",
        *(number(learn.best), number(learn.median), number(plain), times(learn.median, plain)),
        *(number(learn_floor), share(learn.best, learn_floor)),
        *(number(infer.best), number(infer.median)),
        *(number(infer_floor), share(infer.best, infer_floor)),
        f"{built:.2f}",
    ]


def rows(quick: bool) -> Iterator[list[str]]:
    Case(64, 512, 0.1).pooler().run(Bits.from_rows(64, [[1]]), Plan.every(1, 1))
    for case in [*cases(quick), *shared_cases()]:
        yield measure(case, 0.3 if quick else 1.0)


def findings(rows: list[list[str]]) -> list[str]:
    """Return what rows say of each other: local beside global, large windows beside small."""
    found: dict[tuple[str, ...], dict[str, float]] = {}
    learn, infer = HEADS.index("learn/s"), HEADS.index("infer/s")
    for row in rows:
        figures = [float(row[at].replace(",", "")) for at in (learn, infer)]
        found[tuple(row[:6])] = dict(zip(("learning", "inference"), figures, strict=True))
    lines = []
    for boost in ("", " + boost"):
        size = ("1024 -> 2048", "5 %")
        near, far = (found[(*size, what + boost, "64", "1", "1")] for what in ("local", "global"))
        costs = [f"{far[what] / near[what]:.1f} times in {what}" for what in near]
        lines.append(f"Local inhibition{boost} costs {' and '.join(costs)} what global does.")
        kind = ("784 -> 2048", "19 %", "global" + boost, "1024")
        one, many = (found[(*kind, n, "1")] for n in ("1", "256"))
        lines.append(
            f"A window of 256 learns {many['learning'] / one['learning']:.1f} times as fast as one "
            f"of 1 (784 -> 2048{boost}) on one thread; if learning took no time at all it would be "
            f"{many['inference'] / one['learning']:.1f} times, because every sample's overlaps and "
            "winners have to be computed all the same."
        )
        for key, row in found.items():
            if key[:5] == (*kind, "256") and key[5] != "1":
                lines.append(
                    f"On {key[5]} threads it is {row['learning'] / one['learning']:.1f} times."
                )
    return lines


def rates(case: Case, bits: Bits, seconds: float) -> tuple[float, float]:
    """Return the best (learning, inference) steps per second."""
    pooler, plan = case.pooler(), Plan.every(1, case.part)
    learn = measuring.windows(lambda part: pooler.run(part, plan), bits, case.part, seconds)
    return learn.best, measuring.windows(pooler.compute, bits, case.part, seconds / 2).best


def grid_rows(quick: bool) -> Iterator[list[str]]:
    seconds = 0.3 if quick else 1.0
    for grid in GRIDS[:2] if quick else GRIDS:
        for radius, wrap, strength in product((3, 8), (True, False), (0.0, 3.0)):
            columns, boost = math.prod(grid), {"boost_strength": strength}
            shape = {"column_shape": grid, "inhibition_radius": radius, "wrap": wrap}
            near = Case(1024, columns, 0.05, settings={**LOCAL, **shape, **boost})
            far = Case(1024, columns, 0.05, settings=boost)
            bits = near.samples()
            found = rates(near, bits, seconds)
            other = rates(far, bits, seconds)
            yield [
                " x ".join(map(str, grid)) + ("" if wrap else ", cut"),
                *(f"{radius}", "yes" if strength else "no"),
                *(number(x) for x in found),
                *(times(y, x) for x, y in zip(found, other, strict=True)),
            ]


TABLES = [
    Table("Spatial pooler", ABOUT, HEADS, 6, rows),
    Table("Local inhibition by grid", ABOUT_GRIDS, GRID_HEADS, 3, grid_rows),
]

if __name__ == "__main__":
    measuring.main(__doc__, TABLES)
