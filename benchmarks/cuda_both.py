"""Poolers and memories together, by the clock on a card: rows of benchmarks/on_card.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import measuring
import numpy as np
from card import OutOfTimeError, Row, rate, wait
from measuring import number, times

from htmrun.backends import load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.cuda.device import Device
from htmrun.backends.cuda.memory.group import TemporalMemoryGroup
from htmrun.backends.cuda.pooler.group import SpatialPoolerGroup
from htmrun.backends.parameters import SpatialPoolerParameters, TemporalMemoryParameters
from htmrun.backends.plan import Plan

INPUTS, COLUMNS, ON, ELEMENTS, WARM, SETTLE = 1024, 2048, 40, 100, 8192, 24
HEADS = ["models", "SP + TM learn/s", "at first", "TM learn/s", "TM infer/s"]
HEADS += ["TM reference/s", "ratio", "segments", "bursting"]
ABOUT = """
1024 inputs, 2048 columns, 32 cells a column, 100 sequences of 10 elements in random order without
resets, windows of 1. Steps per second of all models of a row together, by the clock, uploads of
inputs included; winners stay on the card on their way from the pooler to the memory, and so do
cells. *at first*: the second 1,024 steps of a new pair, when nearly every column bursts. The
others: after 8,192 steps and 24 times the first 1,024 again, with *segments* in the first model and
so many columns of a step's 40 still *bursting*. *reference* is the NumPy backend on the first
model's memory.
"""


def measure(device: Device, models: int, seconds: float, end: float) -> list[str]:
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

    def learn(a: int) -> float:
        """Learn a part; return how many columns of a step burst."""
        bits, plan = stream.slice(a, a + part), Plan.every(1, part)
        won = poolers.run([bits] * models, [plan] * models)
        return float(memories.run(won, [plan] * models)[0].bursting.mean())

    first = 0.0
    for k, a in enumerate([*range(0, WARM - part + 1, part), *[0] * SETTLE]):
        if time.monotonic() > end:
            raise OutOfTimeError
        begin = time.perf_counter()
        bursting = learn(a)
        wait(device)
        if k == 1:
            first = part * models / (time.perf_counter() - begin)
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
    cells = (number(x) for x in (both, first, memory, infer, slow))
    return [f"{models}", *cells, times(memory, slow), f"{segments}", f"{bursting:.1f}"]


def both(device: Device, quick: bool, end: Callable[[], float]) -> list[Row]:
    """Return the rows of poolers and memories together; end(): when their time is over."""

    def row(models: int) -> list[str]:
        return measure(device, models, 0.3 if quick else 1.0, end())

    counts = (1, 32, 128) if quick else (1, 128, 256, 32, 8)
    return [Row(f"{n} models", partial(row, n)) for n in counts]
