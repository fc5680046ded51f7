"""Speed of the temporal memory: python benchmarks/temporal_memory.py [--quick]."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import measuring
import numpy as np
from measuring import Rate, Table, number, share, times
from numba import njit

from htmrun.backends import State
from htmrun.backends.bits import Bits
from htmrun.backends.cpu import TemporalMemory
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.backends.plan import Plan
from htmrun.backends.reference import TemporalMemory as ReferenceMemory

ABOUT = """
2048 columns of 32 cells, 40 active, 100 sequences of 10 elements in random order, without
resets. *reference* is the plain backend on the same memory and samples, a few steps only; both
must end in the same state. *bytes* are those of all arrays, slack included, by live synapse. The
floor is what this layout's unavoidable accesses allow, each at the rate of a bare loop over arrays
of the same sizes: one increment for every connected entry of every cell that was active, and for
the other entries too before a sample in which columns burst; one look at the presynaptic cell of
every synapse of a reinforced segment; one write for every new synapse and one for its entry, at
random places. It leaves out choosing cells and synapses, clearing, and everything by column.
"""

COLUMNS, ACTIVE, SEQUENCES, LENGTH = 2048, 40, 100, 10
HEADS = ["case", "after steps", "steps/s", "median", "reference/s", "ratio", "floor/s"]
HEADS += ["share of floor", "segments", "bytes"]


@dataclass(frozen=True)
class Case:
    """One stream: noise, and the steps after which it is measured; window and punishment."""

    name: str
    marks: tuple[int, ...]
    noise: float = 0.0
    repeats: bool = True
    window: int = 1
    punishment: float = 0.0
    segments_per_cell: int = 128
    segments_per_column: int | None = 128

    def memory(self) -> TemporalMemory:
        return TemporalMemory(self.parameters(), COLUMNS, 7)

    def parameters(self) -> TemporalMemoryParameters:
        return TemporalMemoryParameters(
            punishment=self.punishment,
            segments_per_cell=self.segments_per_cell,
            segments_per_column=self.segments_per_column,
        )


def stream(case: Case, chunk: int = 500) -> Iterator[Bits]:
    """Yield samples for ever, `chunk` at a time."""
    random = np.random.default_rng(0)
    elements = np.stack(
        [random.choice(COLUMNS, ACTIVE, replace=False) for _ in range(SEQUENCES * LENGTH)]
    ).reshape(SEQUENCES, LENGTH, ACTIVE)
    while True:
        rows = elements[random.integers(SEQUENCES, size=chunk // LENGTH)].reshape(chunk, ACTIVE)
        if not case.repeats:
            rows = random.random((chunk, COLUMNS)).argpartition(ACTIVE, 1)[:, :ACTIVE]
        indices = np.sort(noisy(rows, case.noise, random), 1).astype(np.int32).ravel()
        offsets = np.arange(0, rows.size + 1, ACTIVE, dtype=np.int64)
        yield Bits(COLUMNS, indices, offsets)


def noisy(rows: np.ndarray, noise: float, random: np.random.Generator) -> np.ndarray:
    """Return `rows` with that share of each row's columns replaced by others."""
    swapped = round(noise * ACTIVE)
    if swapped == 0:
        return rows
    order = random.random((len(rows), COLUMNS))
    np.put_along_axis(order, rows, 2 + random.random(rows.shape), 1)
    others = order.argpartition(swapped, 1)[:, :swapped]
    return np.concatenate([random.permuted(rows, axis=1)[:, swapped:], others], 1)


@njit(nogil=True, boundscheck=False, error_model="numpy")
def increments(values: Any, places: Any) -> None:
    for at in places:
        values[at] += 1


def seconds_each(size: int, dtype: type) -> float:
    """Return the shortest time of one increment at a random place of `size` values."""
    values: np.ndarray = np.zeros(max(size, 1), dtype)
    places = np.random.default_rng(1).integers(len(values), size=1 << 16).astype(np.uint32)
    increments(values, places)
    best = np.inf
    for _ in range(15):
        begin = time.process_time()
        increments(values, places)
        best = min(best, time.process_time() - begin)
    return best / len(places)


def floor(before: State, samples: Bits, memory: TemporalMemory, learn: bool) -> float:
    """Return the steps per second that the accesses for `samples` allow.

    `before` is the state of `memory`, which has yet to see the samples.
    """
    start = memory.counters()
    activity = memory.run(samples, Plan.every(1, len(samples)), learn)
    cells = activity.active.size
    connected = before["synapse_permanence"] >= 5000
    listeners = np.bincount(before["synapse_cell"], minlength=cells)
    heard = np.bincount(before["synapse_cell"][connected], minlength=cells)
    entries = 0
    for t in range(1, len(samples)):
        by_cell = listeners if activity.bursting[t] else heard
        entries += int(by_cell[activity.active.row(t - 1)].sum())
    segments = max(1, len(before["segment_id"]))
    total = entries * seconds_each(segments, np.uint8)
    if learn:
        adapted = activity.hits.sum() * len(before["synapse_segment"]) / segments
        total += adapted * seconds_each(cells, np.uint8)
        new = memory.counters()["synapses_created"] - start["synapses_created"]
        total += 2 * new * seconds_each(memory.nbytes // 4, np.int32)
    return len(samples) / total if total else 0.0


def early(case: Case) -> list[str]:
    """Measure the first thousand steps of fresh memories, stretch by stretch."""
    samples = Bits.concatenate([part for part, _ in zip(stream(case), range(2), strict=False)])
    part = 100
    plan = Plan.every(case.window, part)
    seconds = np.zeros((7, len(samples) // part))
    for of_part in seconds:
        memory = case.memory()
        for q in range(len(of_part)):
            begin = time.process_time()
            memory.run(samples.slice(q * part, (q + 1) * part), plan)
            of_part[q] = time.process_time() - begin
    best, middle = seconds.min(0).sum(), np.median(seconds, 0).sum()
    rate = Rate(len(samples) / best, len(samples) / middle)
    fresh = case.memory()
    least = floor(fresh.state(), samples, fresh, True)
    slow = ReferenceMemory(case.parameters(), COLUMNS, 7)
    begin = time.process_time()
    slow.run(samples.slice(0, 30), Plan.every(case.window, 30))
    plain = 30 / (time.process_time() - begin)
    return row(case.name, 0, rate, plain, least, memory)


def later(
    case: Case, memory: TemporalMemory, steps: int, ahead: Iterator[Bits]
) -> Iterator[list[str]]:
    """Measure learning and inference on a memory that has seen `steps` samples."""
    few = next(ahead).slice(0, 2)
    state = memory.state()
    slow = ReferenceMemory(case.parameters(), COLUMNS, 7)
    slow.load(state)
    begin = time.process_time()
    slow.run(few, Plan.every(case.window, len(few)))
    plain = len(few) / (time.process_time() - begin)
    memory.run(few, Plan.every(case.window, len(few)))
    ours, theirs = memory.state(), slow.state()
    if any(not np.array_equal(ours[n], theirs[n]) for n in ours):
        raise SystemExit("the backends differ")
    samples = Bits.concatenate([next(ahead) for _ in range(4)])
    part = max(50, case.window)
    plan = Plan.every(case.window, part)
    reset = np.zeros(part, np.uint8)
    inferred = measuring.windows(lambda b: memory.compute(b, reset), samples, part)
    probe = samples.slice(0, 200)
    least = floor(ours, probe, memory, False)
    yield row(f"{case.name}, inference", steps, inferred, 0.0, least, memory)
    learned = measuring.windows(lambda b: memory.run(b, plan), samples, part)
    least = floor(memory.state(), probe, memory, True)
    yield row(case.name, steps, learned, plain, least, memory)


def row(
    name: str, steps: int, rate: Rate, plain: float, least: float, m: TemporalMemory
) -> list[str]:
    counters = m.counters()
    return [
        name,
        f"{steps:,}",
        *(number(rate.best), number(rate.median)),
        *(number(plain, 1), times(rate.median, plain)),
        *(number(least), share(rate.best, least)),
        f"{counters['segments']:,}",
        f"{m.nbytes / max(1, counters['synapses']):.1f}",
    ]


def measure(case: Case) -> Iterator[list[str]]:
    """Run one case; yield its rows."""
    if case.marks == (0,):  # a memory that has seen nothing
        yield early(case)
        return
    memory, ahead, steps = case.memory(), stream(case), 0
    for mark in case.marks:
        while steps < mark:
            part = next(ahead)
            memory.run(part, Plan.every(case.window, len(part)))
            steps += len(part)
        yield from later(case, memory, steps, ahead)
        steps = int(memory.state()["sample"][0])


def cases(quick: bool) -> list[Case]:
    """Return what is measured; `quick` trains less."""
    long = 10_000 if quick else 40_000
    fresh = (5_000,) if quick else (10_000, 100_000)
    return [
        Case("first 1,000", (0,)),
        Case("learned", (long,)),
        Case("learned, window 10", (long,), window=10),
        Case("learned, window 100", (long,), window=100),
        Case("learned, punished", (long,), punishment=0.004),
        Case("10 % noise", (long // 2,), noise=0.1),
        Case("never repeating", fresh, repeats=False, segments_per_cell=4),
    ]


def rows(quick: bool) -> Iterator[list[str]]:
    Case("", (0,)).memory().run(Bits.from_rows(COLUMNS, [[1]]), Plan.every(1, 1))
    for case in cases(quick):
        yield from measure(case)


def rows_of_single_samples(quick: bool) -> Iterator[list[str]]:
    """Measure chunks, and calls with one sample each, by turns from the same state."""
    count = 1024
    for name, steps in (("first 1,024", 0), ("learned", 10_000 if quick else 40_000)):
        case, ahead = Case(name, (steps,)), stream(Case(name, (steps,)))
        memory = case.memory()
        for _ in range(steps // 500):
            memory.run(next(ahead), Plan.every(1, 500))
        state = memory.state()
        samples = Bits.concatenate([next(ahead) for _ in range(3)]).slice(0, count)
        ways = [[samples], [samples.slice(t, t + 1) for t in range(count)]]
        best = [np.inf, np.inf]
        for turn in range(4 if quick else 10):
            for way, parts in enumerate(ways):
                memory = case.memory()
                memory.load(state)
                plan = Plan.every(1, len(parts[0]))
                begin = time.process_time()
                for part in parts:
                    memory.run(part, plan)
                if turn:
                    best[way] = min(best[way], time.process_time() - begin)
        chunk, single = (1e6 * b / count for b in best)
        yield [name, number(chunk, 1), number(single, 1), f"{single / chunk:.2f}"]


ABOUT_SINGLE = """
The same columns and sequences, learning, with a window of 1: microseconds for a sample of a chunk
of 1024, and for one that comes in a call of its own.
"""
HEADS_SINGLE = ["case", "us in a chunk", "us one a call", "ratio"]
SINGLE = "Temporal memory, one sample a call"

TABLES = [
    Table("Temporal memory", ABOUT, HEADS, 2, rows),
    Table(SINGLE, ABOUT_SINGLE, HEADS_SINGLE, 1, rows_of_single_samples),
]

if __name__ == "__main__":
    measuring.main(__doc__, TABLES)
