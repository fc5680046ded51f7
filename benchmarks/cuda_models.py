"""Poolers and memories as they run, by the clock on a card: rows of benchmarks/on_card.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import measuring
import numpy as np
from card import OutOfTimeError, Row, rate
from measuring import number, share, times

from htmrun.backends import load_backend
from htmrun.backends.cuda.device import Device
from htmrun.backends.cuda.sp_group import SpatialPoolerGroup
from htmrun.backends.cuda.tm_group import TemporalMemoryGroup
from htmrun.bits import Bits
from htmrun.parameters import SpatialPoolerParameters, TemporalMemoryParameters
from htmrun.plan import Plan

BOOST = {"boost_strength": 3.0}
GOAL = 0.6
"""Share of a copy's bandwidth that learning online at 16384 squared should reach."""
HEADS = ["size", "on", "boost", "window", "models", "learn/s", "infer/s", "kB/step", "bandwidth"]
HEADS += ["kop/step", "reference/s", "ratio"]
INPUTS, COLUMNS, ON, ELEMENTS, WARM = 1024, 2048, 40, 100, 8192
HEADS_BOTH = ["models", "SP + TM learn/s", "TM learn/s", "TM infer/s", "TM reference/s", "ratio"]
HEADS_BOTH += ["segments"]
ABOUT_BOTH = """
1024 inputs, 2048 columns, 32 cells a column, 100 sequences of 10 elements in random order without
resets, windows of 1, after 8192 steps of learning. Steps per second of all models of a row
together, by the clock. *reference* is the NumPy backend on the first model's memory; *segments*
are those of the first model.
"""
ABOUT = """
Steps per second of all models of a row together, by the clock, uploads and downloads included.
*kB/step*: bytes that learning a step cannot avoid: the rows of connected bits of the on-inputs
(or, in a large window, the whole bit matrix once for 64 samples) and the int16 permanences of the
winners, read and written. *bandwidth*: those bytes by the second, as a share of what a copy of
1 GiB on the same card reached in the same run ({bandwidth:.0f} GB/s). *kop/step*: additions of
bits and permanences. *ratio*: against the NumPy reference, which gives the same bytes.
"""


@dataclass(frozen=True)
class Case:
    """One row: sizes, share of inputs on, window, models at once, further parameters."""

    inputs: int
    columns: int
    density: float
    window: int = 1
    models: int = 1
    settings: dict[str, float] = field(default_factory=dict)

    @property
    def parameters(self) -> SpatialPoolerParameters:
        return SpatialPoolerParameters(columns=self.columns, **self.settings)

    @property
    def name(self) -> str:
        """Sizes and what differs, for a list of what there is to measure."""
        boost = ", boost" if self.settings else ""
        on = f"{100 * self.density:.0f} % on"
        return (
            f"{self.inputs} -> {self.columns}, {on}, window {self.window}, models {self.models}"
            f"{boost}"
        )

    @property
    def samples(self) -> int:
        """Samples of each model that are timed at a time."""
        return 256 if self.inputs * self.columns > 1 << 24 else 1024

    def bytes(self) -> float:
        """Return the bytes that one step of one model must move, learning."""
        rows = self.density * self.inputs * self.columns / 8
        matrix = self.inputs * self.columns / 8 / min(self.window, 64)
        won = self.parameters.active_columns
        # A window's winners are not all different; as if they were is the most it can be.
        changed = 4 * min(won, self.columns / self.window) * self.inputs
        return min(rows, matrix) + changed

    def operations(self) -> float:
        """Return the additions of one step of one model, learning."""
        won = self.parameters.active_columns
        return self.density * self.inputs * self.columns + won * self.inputs


IMAGES = Case(784, 2048, 0.19, 256)
LARGE = Case(16384, 16384, 0.02)


def cases(quick: bool) -> list[Case]:
    """Return the rows, those that goals are about first; `quick` leaves out the largest."""
    rows = [IMAGES] if quick else [IMAGES, LARGE]
    rows += [Case(1024, 2048, 0.05, models=m) for m in (1, 8, 32, 128)]
    rows += [Case(1024, 2048, 0.05, models=m, settings=BOOST) for m in (1, 128)]
    rows += [Case(784, 2048, 0.19, n) for n in (1, 10, 64)]
    rows += [Case(784, 2048, 0.19, n, 1, BOOST) for n in (1, 10, 64, 256)]
    rows += [Case(784, 2048, 0.19, 256, 16)]
    if not quick:
        rows += [Case(16384, 16384, 0.02, n) for n in (10, 64, 256)]
        rows += [Case(16384, 16384, 0.02, 1, 1, BOOST)]
        rows += [Case(16384, 65536, 0.02, n) for n in (1, 256)]
    return rows


def reference_rate(case: Case, bits: Bits) -> float:
    """Return learning steps per second of the NumPy backend; 0 where it would take minutes."""
    if case.inputs * case.columns > 1 << 22:
        return 0.0
    pooler = load_backend("reference").SpatialPooler(case.parameters, (case.inputs,), 1)
    few = bits.slice(0, max(case.window, 16))
    plan = Plan.every(case.window, len(few))
    return measuring.plain_rate(lambda: pooler.run(few, plan), len(few), 0.5)


def measure(device: Device, case: Case, peak: float, seconds: float) -> list[str]:
    """Run one case; return the cells of its row."""
    random = np.random.default_rng(0)
    bits = Bits.from_dense(random.random((case.samples, case.inputs)) < case.density)
    group = SpatialPoolerGroup(case.parameters, (case.inputs,), range(case.models), device)
    samples, plans = [bits] * case.models, [Plan.every(case.window, len(bits))] * case.models
    steps = len(bits) * case.models
    learn = rate(device, lambda: group.run(samples, plans), steps, seconds)
    infer = rate(device, lambda: group.compute(samples), steps, seconds / 2)
    plain = reference_rate(case, bits)
    return [
        f"{case.inputs} -> {case.columns}",
        f"{100 * case.density:.0f} %",
        "yes" if case.settings else "no",
        f"{case.window}",
        f"{case.models}",
        number(learn),
        number(infer),
        number(case.bytes() / 1e3, 2),
        share(learn * case.bytes(), peak),
        number(case.operations() / 1e3, 1),
        number(plain),
        times(learn, plain),
    ]


def measure_both(device: Device, models: int, seconds: float, end: float) -> list[str]:
    """Time poolers and memories that share launches, at steady state; return a row's cells.

    Raises OutOfTimeError if learning has not come to that at `end` (`time.monotonic`).
    """
    random = np.random.default_rng(0)
    elements = [np.sort(random.choice(INPUTS, ON, replace=False)) for _ in range(ELEMENTS * 10)]
    order = random.integers(0, ELEMENTS, WARM // 10 + 1)
    rows = [elements[10 * s + k] for s in order for k in range(10)][:WARM]
    stream = Bits.from_rows(INPUTS, rows)
    sp = SpatialPoolerParameters(columns=COLUMNS, winners=ON)
    tm = TemporalMemoryParameters(
        activation_threshold=15, matching_threshold=12, new_synapses=20, segment_size=32,
        initial_permanence=0.21, connected=0.5, increment=0.1, decrement=0.1,
    )  # fmt: skip
    poolers = SpatialPoolerGroup(sp, (INPUTS,), range(models), device)
    memories = TemporalMemoryGroup(tm, COLUMNS, range(models), device)
    part = min(WARM, 1024)

    def learn(a: int) -> None:
        bits, plan = stream.slice(a, a + part), Plan.every(1, part)
        won = poolers.run([bits] * models, [plan] * models)
        memories.run(won, [plan] * models)

    for a in range(0, WARM - part + 1, part):
        if time.monotonic() > end:
            raise OutOfTimeError
        learn(a)
    both = rate(device, lambda: learn(0), part * models, seconds)
    won = poolers.compute([stream.slice(0, part)] * models)
    plans = [Plan.every(1, part)] * models
    memory = rate(device, lambda: memories.run(won, plans), part * models, seconds)
    none = np.zeros(part, np.uint8)
    infer = rate(device, lambda: memories.compute(won, [none] * models), part * models, seconds)
    plain = load_backend("reference").TemporalMemory(tm, COLUMNS, 0)
    plain.load(memories.state(0))
    few = won[0].slice(0, 4)
    slow = measuring.plain_rate(lambda: plain.run(few, Plan.every(1, 4)), 4, 0.3)
    segments = memories.counters(0)["segments"]
    cells = (number(x) for x in (both, memory, infer, slow))
    return [f"{models}", *cells, times(memory, slow), f"{segments}"]


def goals(pooler: Sequence[Sequence[str]], both: Sequence[Sequence[str]]) -> list[str]:
    """Return what the rows measured so far say of the goals, a line each."""
    found = []
    for row in pooler:
        cell = dict(zip(HEADS, row, strict=True))
        size, alone = cell["size"], cell["models"] == "1" and cell["boost"] == "no"
        if size == f"{LARGE.inputs} -> {LARGE.columns}" and alone and cell["window"] == "1":
            reached = float(cell["bandwidth"])
            found.append(
                f"Learning online at 16384 squared reaches {100 * reached:.0f} % of a copy's "
                f"bandwidth; the goal, {100 * GOAL:.0f} %, is "
                f"{'met' if reached >= GOAL else 'missed'}."
            )
        if size == f"{IMAGES.inputs} -> {IMAGES.columns}" and alone and cell["window"] == "256":
            found.append(f"784 -> 2048 in windows of 256: {cell['infer/s']} images/s, inference.")
    if both:
        best = max(both, key=lambda row: float(row[1].replace(",", "")))
        found.append(
            f"SP and TM learning, all models together: {best[1]} steps/s with {best[0]} models; "
            f"{both[0][1]} with {both[0][0]}."
        )
    return found


def pooler(device: Device, peak: float, quick: bool) -> list[Row]:
    """Return the rows of spatial poolers."""
    seconds = 0.3 if quick else 0.6
    return [Row(c.name, partial(measure, device, c, peak, seconds)) for c in cases(quick)]


def both(device: Device, quick: bool, end: Callable[[], float]) -> list[Row]:
    """Return the rows of poolers and memories together; end(): when their time is over."""

    def row(models: int) -> list[str]:
        return measure_both(device, models, 0.3 if quick else 1.0, end())

    counts = (1, 32, 128) if quick else (1, 128, 8, 32, 64, 256)
    return [Row(f"{n} models", partial(row, n)) for n in counts]
