"""Poolers and memories as they run, by the clock on a card: rows of benchmarks/on_card.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import measuring
import numpy as np
from card import Row, rate, wait
from measuring import number, share, times

from htmrun.backends import load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.cuda.chunk_schedule import Schedule
from htmrun.backends.cuda.device import Device
from htmrun.backends.cuda.pooler.arrays import OF_A_MODEL
from htmrun.backends.cuda.pooler.group import SpatialPoolerGroup
from htmrun.backends.cuda.pooler.online import OnlineWay
from htmrun.backends.cuda.pooler.pools import PoolLayout, PoolsAsked, layouts, sizes
from htmrun.backends.cuda.rows import Rows
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan

BOOST = {"boost_strength": 3.0}
GOAL = 0.6
"""Share of a copy's bandwidth that learning at 16384 squared should reach."""
IMAGES_GOAL, BOTH_GOAL = 10_000_000, 1_000_000
"""Images a second at 784 -> 2048, inference; steps a second of many poolers and memories."""
LEARN, INFER = "learn on card/s", "infer on card/s"
HEADS = ["size", "on", "boost", "window", "models", "learn/s", "infer/s", LEARN, INFER, "kB/step"]
HEADS += ["bandwidth", "kop/step", "reference/s", "ratio"]
HEADS_FIRST = ["size", "on", "window", "models", LEARN, "kB/step", "bandwidth"]
AGAIN = 8
"""Times that a new pooler's first windows are timed."""
ABOUT_FIRST = """
The first windows of new poolers (64 samples, or four windows), the kernels alone, again and again
from the beginning: then every synapse of a column that wins changes, and many cross the threshold
at which they connect. In the table before, the same samples come so often that most synapses have
come to rest.
"""
ABOUT = """
Steps per second of all models of a row together: by the clock, lists of on-bits in host memory on
both ends; and *on card*, the kernels alone, inputs uploaded before and winners left there.
*kB/step*: bytes that learning a step cannot avoid: the rows of connected bits of the on-inputs (or,
in a large window, the whole bit matrix once for 64 samples), the int16 permanences of the columns
that won, counted in this run, read once a window (of compact pools, those of the pool and which
inputs they belong to), and those written back: eights of them of which
one differs, found by comparing before and after; synapses that have come to rest at 0 or 1 are
not written. *bandwidth*: those bytes by
the second on the card, as a share of what a copy of 1 GiB on the same card reached in the same run
({bandwidth:.0f} GB/s). *kop/step*: additions of bits and permanences. *ratio*: by the clock,
against the NumPy reference, which gives the same bytes.
"""


@dataclass(frozen=True)
class Case:
    """One row: sizes, share of inputs on, window, models at once, further parameters."""

    inputs: int
    columns: int
    density: float
    window: int = 1
    models: int = 1
    settings: dict[str, Any] = field(default_factory=dict)

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
        return 8192 if self.window == 256 and self.columns < 4096 else 1024

    def bytes(self, learners: float, written: float, row: float) -> float:
        """Return the bytes that one step of one model must move.

        learners: columns that learn in a window; written: bytes of permanences changed in one; row:
        bytes of what a column that learns reads.
        """
        rows = self.density * self.inputs * self.columns / 8
        matrix = self.inputs * self.columns / 8 / min(self.window, 64)
        return min(rows, matrix) + (learners * row + written) / self.window

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


def read(won: Sequence[Bits]) -> None:
    """Bring winners to the host, where they are not."""
    for bits in won:
        _ = bits.indices


def learners(case: Case, won: Bits) -> float:
    """Return how many different columns win in a window, on average."""
    window = np.repeat(np.arange(len(won)) // case.window, won.counts())
    return len(np.unique(window * case.columns + won.indices)) / (len(won) / case.window)


def layout(case: Case, asked: PoolsAsked) -> PoolLayout:
    """Return how the permanences of a case's poolers lie."""
    largest = int(sizes(case.parameters, (case.inputs,)).max())
    return layouts(asked, case.parameters, (case.inputs,), largest)[0]


def row_bytes(case: Case, group: SpatialPoolerGroup) -> float:
    """Return the bytes of a column's row of permanences, without what pads it."""
    pools = group._kernels._pools
    return pools.row_bytes if pools.entry else 2 * case.inputs


def written(group: SpatialPoolerGroup, samples: Sequence[Bits], window: int, windows: int) -> float:
    """Learn some windows; return the bytes of permanences that changed in one of one model."""
    changed = 0
    for k in range(windows):
        before = group._kernels._permanences.copy()
        cut = [b.slice(k * window, (k + 1) * window) for b in samples]
        group.run(cut, [Plan.every(window, window)] * len(cut))
        differs = group._kernels._permanences != before
        changed += int(differs.reshape(-1, 8).any(1).sum())
    return 16.0 * changed / windows / len(samples)


def on_card(
    device: Device, group: SpatialPoolerGroup, samples: list[Bits], plans: list[Plan],
    seconds: float,
) -> tuple[float, float]:  # fmt: skip
    """Return steps of one model a second, learning and inferring, of the kernels alone."""
    kernels, length = group._kernels, len(samples[0])
    rows, won = Rows.upload(device, samples), group._kernels.no_winners(length)
    schedule = Schedule.upload(device, plans, [0] * len(samples), 0)
    run = kernels.online if group._online(schedule) else group._phase_by_phase
    found = []
    for work in (
        lambda: run(rows, won, schedule),
        lambda: group._infer(rows, won),
    ):
        schedule.learner_count.fill(0)
        work()  # loads the kernels, which a capture must not
        assert device.capture is not None
        again = device.capture(work)
        found.append(
            rate(
                device,
                lambda go=again: (schedule.learner_count.fill(0), won.fill(0), go()),
                length,
                seconds,
            )
        )
    return found[0], found[1]


def measure(device: Device, case: Case, peak: float, seconds: float) -> list[str]:
    """Run one case; return the cells of its row."""
    random = np.random.default_rng(0)
    bits = Bits.from_dense(random.random((case.samples, case.inputs)) < case.density)
    group = SpatialPoolerGroup(case.parameters, (case.inputs,), range(case.models), device)
    samples, plans = [bits] * case.models, [Plan.every(case.window, len(bits))] * case.models
    steps = len(bits) * case.models
    learning_columns = learners(case, group.run(samples, plans)[0])
    learn = rate(device, lambda: read(group.run(samples, plans)), steps, seconds)
    infer = rate(device, lambda: read(group.compute(samples)), steps, seconds / 2)
    few = min(1024, len(bits))
    cut = [b.slice(0, few) for b in samples], [p.slice(0, few) for p in plans]
    learning, inferring = (case.models * r for r in on_card(device, group, *cut, seconds / 2))
    windows = min(4, len(bits) // case.window)
    changed = written(group, samples, case.window, windows)
    moved = case.bytes(learning_columns, changed, row_bytes(case, group))
    plain = reference_rate(case, bits)
    return [
        f"{case.inputs} -> {case.columns}",
        f"{100 * case.density:.0f} %",
        "yes" if case.settings else "no",
        f"{case.window}",
        f"{case.models}",
        *(number(x) for x in (learn, infer, learning, inferring)),
        number(moved / 1e3, 2),
        share(learning * moved, peak),
        number(case.operations() / 1e3, 1),
        number(plain),
        times(learn, plain),
    ]


def rate_at_first(
    device: Device, case: Case, online: OnlineWay = "ahead", pools: PoolsAsked = "auto"
) -> tuple[float, SpatialPoolerGroup, list[Bits], Callable[[], None]]:
    """Time the first windows of new poolers, always from the beginning.

    Returns steps a second of all models together, the poolers, their samples, and what makes the
    poolers as they began.
    """
    random = np.random.default_rng(0)
    windows = max(4, 64 // case.window)
    bits = Bits.from_dense(random.random((windows * case.window, case.inputs)) < case.density)
    group = SpatialPoolerGroup(
        case.parameters, (case.inputs,), range(case.models), device, online=online, pools=pools
    )
    kernels, samples = group._kernels, [bits] * case.models
    state = {name: getattr(kernels, name).copy() for name in OF_A_MODEL}

    def begin() -> None:
        for name, array in state.items():
            getattr(kernels, name)[...] = array

    rows, won = Rows.upload(device, samples), kernels.no_winners(len(bits))
    plans = [Plan.every(case.window, len(bits))] * case.models
    schedule = Schedule.upload(device, plans, [0] * case.models, 0)
    run = kernels.online if group._online(schedule) else group._phase_by_phase
    run(rows, won, schedule)  # loads the kernels, which a capture must not
    assert device.capture is not None
    again = device.capture(lambda: run(rows, won, schedule))
    best = 0.0
    for _ in range(AGAIN):
        begin()
        schedule.learner_count.fill(0)
        won.fill(0)
        wait(device)
        since = time.perf_counter()
        again()
        wait(device)
        best = max(best, len(bits) * case.models / (time.perf_counter() - since))
    return best, group, samples, begin


def moved_at_first(
    case: Case, group: SpatialPoolerGroup, samples: list[Bits], begin: Callable[[], None]
) -> float:
    """Return the bytes that a step of one model must move in the windows of `rate_at_first`."""
    length = len(samples[0])
    begin()
    columns = learners(case, group.run(samples, [Plan.every(case.window, length)] * case.models)[0])
    begin()
    changed = written(group, samples, case.window, length // case.window)
    return case.bytes(columns, changed, row_bytes(case, group))


def measure_at_first(device: Device, case: Case, peak: float) -> list[str]:
    """Return the cells of a row about the first windows of new poolers."""
    best, group, samples, begin = rate_at_first(device, case)
    moved = moved_at_first(case, group, samples, begin)
    return [
        f"{case.inputs} -> {case.columns}", f"{100 * case.density:.0f} %", f"{case.window}",
        f"{case.models}", number(best), number(moved / 1e3, 2), share(best * moved, peak),
    ]  # fmt: skip


def at_first(device: Device, peak: float, quick: bool) -> list[Row]:
    """Return the rows of poolers at the beginning."""
    size = (1024, 2048, 0.05) if quick else (16384, 16384, 0.02)
    rows = [Case(*size, window) for window in (1, 10, 64, 256)] + [Case(*size, 1, 4)]
    return [Row(c.name, partial(measure_at_first, device, c, peak)) for c in rows]


def goals(
    pooler: Sequence[Sequence[str]], first: Sequence[Sequence[str]], both: Sequence[Sequence[str]]
) -> list[str]:
    """Return what the rows measured so far say of the goals, a line each."""
    found, large = [], []
    for row in pooler:
        cell = dict(zip(HEADS, row, strict=True))
        size, alone = cell["size"], cell["models"] == "1" and cell["boost"] == "no"
        if size == f"{LARGE.inputs} -> {LARGE.columns}" and alone:
            large.append(_of_windows(cell))
        if size == f"{IMAGES.inputs} -> {IMAGES.columns}" and alone and cell["window"] == "256":
            found.append(
                f"784 -> 2048, inference: {cell[INFER]} images/s on the card, {cell['infer/s']} by "
                f"the clock. The goal is {IMAGES_GOAL:,}."
            )
    new = [dict(zip(HEADS_FIRST, row, strict=True)) for row in first]
    large_new = [_of_windows(c) for c in new if c["size"] == f"{LARGE.inputs} -> {LARGE.columns}"]
    for when, shares in (("that begins", large_new), ("at rest", large)):
        if shares:
            found.append(
                f"Learning at 16384 squared, a pooler {when}, reaches, of a copy's bandwidth, "
                f"{', '.join(shares)}. The goal is {100 * GOAL:.0f} %."
            )
    if both:
        best = max(both, key=lambda row: float(row[1].replace(",", "")))
        found.append(
            f"SP and TM learning, all models together: {best[1]} steps/s with {best[0]} models; "
            f"{both[0][1]} with {both[0][0]}. The goal is {BOTH_GOAL:,}."
        )
    return found


def _of_windows(cell: dict[str, str]) -> str:
    models = "" if cell["models"] == "1" else f" of {cell['models']} models"
    return f"{100 * float(cell['bandwidth']):.0f} % in windows of {cell['window']}{models}"


def pooler(device: Device, peak: float, quick: bool) -> list[Row]:
    """Return the rows of spatial poolers."""
    seconds = 0.2 if quick else 0.4
    return [Row(c.name, partial(measure, device, c, peak, seconds)) for c in cases(quick)]
