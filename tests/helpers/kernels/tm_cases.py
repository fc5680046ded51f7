"""Temporal memories that the kernels must run as the reference does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from htmrun.backends import CellActivity, State, reference
from htmrun.backends.bits import Bits
from htmrun.backends.cuda.memory import arrays as tm_arrays
from htmrun.backends.cuda.memory.group import TemporalMemoryGroup
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.backends.plan import Plan
from tests.helpers.kernels.host import HostModules
from tests.helpers.temporal_streams import cuts, same_activity, same_state

_EXPECTED: dict[str, Any] = {}


def expected(case: Any) -> Any:
    """Return what the reference says of a case; worked out once for all orders of threads."""
    if repr(case) not in _EXPECTED:
        _EXPECTED[repr(case)] = case.work_out()
    return _EXPECTED[repr(case)]


@contextmanager
def tiny_arrays() -> Iterator[None]:
    """Let new groups have room for one segment and one event, so that every model stops often."""
    before = tm_arrays.SEGMENTS, tm_arrays.QUEUE
    tm_arrays.SEGMENTS, tm_arrays.QUEUE = 1, 1
    try:
        yield
    finally:
        tm_arrays.SEGMENTS, tm_arrays.QUEUE = before


@dataclass(frozen=True)
class Step:
    """What each model of a group is given at once and what the reference makes of it."""

    samples: tuple[Bits, ...]
    plans: tuple[Plan, ...]
    learn: bool
    said: tuple[CellActivity, ...]
    states: tuple[State, ...]


@dataclass(frozen=True)
class Remembering:
    """A group of temporal memories to compare, on noisy sequences with resets and gaps.

    `every` has the samples of a window of each model, `elements` how many sequences of five
    patterns there are: many of them are new for long. With `moves` another group takes over
    before each step.
    """

    parameters: dict[str, Any]
    columns: int = 30
    on: int = 5
    every: tuple[int, ...] = (1,)
    samples: int = 120
    elements: int = 3
    noise: float = 0.1
    resets: float = 0.08
    threads: int = 64
    group: dict[str, Any] = field(default_factory=dict)
    tiny: bool = False
    moves: bool = False
    seed: int = 0

    def check(self, modules: HostModules) -> None:
        """Raise AssertionError at the first difference from the reference."""
        group = self.made(modules)
        for step in expected(self):
            if self.moves:
                left, group = group, self.made(modules)
                for m in range(len(self.every)):
                    group.load(m, left.state(m))
            said = group.run(step.samples, step.plans, step.learn)
            for m in range(len(self.every)):
                same_activity(said[m], step.said[m])
                same_state(group.state(m), step.states[m])

    def made(self, modules: HostModules) -> TemporalMemoryGroup:
        """Return a new group."""
        p = TemporalMemoryParameters(**self.parameters)
        seeds = [31 + m for m in range(len(self.every))]
        device = modules.device(64, self.threads)
        with tiny_arrays() if self.tiny else nullcontext():
            return TemporalMemoryGroup(p, self.columns, seeds, device, **self.group)

    def work_out(self) -> list[Step]:
        """Return what the reference says, step by step."""
        done, r = [], np.random.default_rng(self.seed)
        p = TemporalMemoryParameters(**self.parameters)
        models = [reference.TemporalMemory(p, self.columns, 31 + m) for m in range(len(self.every))]
        streams = [self.stream(r, n) for n in self.every]
        for start, stop in cuts(r, self.samples):
            samples = tuple(bits.slice(start, stop) for bits, _ in streams)
            plans = tuple(plan.slice(start, stop) for _, plan in streams)
            learn = bool(r.random() > 0.15)
            said = tuple(m.run(x, p, learn) for m, x, p in zip(models, samples, plans, strict=True))
            done.append(Step(samples, plans, learn, said, tuple(m.state() for m in models)))
        return done

    def stream(self, r: np.random.Generator, window: int) -> tuple[Bits, Plan]:
        """Return one model's samples and plan."""
        patterns = [
            [r.choice(self.columns, self.on, replace=False) for _ in range(5)]
            for _ in range(self.elements)
        ]
        parts = self.samples // 5 + 1
        elements = [e for _ in range(parts) for e in patterns[r.integers(self.elements)]]
        rows = []
        for e in elements[: self.samples]:
            other = r.integers(0, self.columns, self.on)
            noisy = np.where(r.random(self.on) < self.noise, other, e)
            rows.append(np.unique(noisy) if r.random() > 0.03 else noisy[:0])
        plan = Plan.every(window, self.samples)
        plan.reset[:] = r.random(self.samples) < self.resets
        return Bits.from_rows(self.columns, rows), plan


BASE = {
    "cells_per_column": 4,
    "activation_threshold": 3,
    "matching_threshold": 2,
    "new_synapses": 4,
    "segment_size": 6,
    "segments_per_cell": 3,
    "connected": 0.55,
    "initial_permanence": 0.35,
    "increment": 0.2,
    "decrement": 0.12,
    "punishment": 0.06,
}

CASES: dict[str, Remembering] = {
    "memory, online": Remembering(BASE),
    "memory, windows of 1, 10 and 100": Remembering(
        BASE, every=(1, 10, 100), samples=130, threads=96
    ),
    "memory, full cells": Remembering(
        {**BASE, "segments_per_cell": 2, "cells_per_column": 2}, every=(1, 7), elements=30,
        noise=0.3, threads=128,
    ),
    "memory, full as a whole": Remembering(
        {**BASE, "segments_per_cell": 8, "segments_per_column": 1}, every=(1, 7, 40), elements=30,
        noise=0.3, threads=96,
    ),
    "memory, full again and again": Remembering(
        {**BASE, "segments_per_column": 2, "cells_per_column": 8}, every=(1, 12), columns=130, on=9,
        elements=30, noise=0.3, tiny=True,
    ),
    "memory, without punishment": Remembering(
        {**BASE, "punishment": 0.0, "decrement": 0.3}, every=(3,), columns=130, on=9,
        threads=32,
    ),
    "memory, fragile segments": Remembering(
        {**BASE, "initial_permanence": 0.1, "punishment": 0.08, "decrement": 0.1},
        every=(2, 30), noise=0.2,
    ),
    "memory, one cell a column": Remembering(
        {**BASE, "cells_per_column": 1}, every=(20, 5), resets=0.3, noise=0.0, elements=2
    ),
    "memory, many cells a column": Remembering(
        {**BASE, "cells_per_column": 70}, every=(1, 4), columns=21
    ),
    "memory, more winners than wanted": Remembering(
        {**BASE, "new_synapses": 3, "segment_size": 4}, columns=150, on=90, every=(1,),
        samples=25, threads=128,
    ),
    "memory, one synapse": Remembering(
        {**BASE, "activation_threshold": 1, "matching_threshold": 1, "new_synapses": 1,
         "segment_size": 1}, columns=60, on=30, samples=30, every=(2,),
    ),
    "memory, long segments": Remembering(
        {**BASE, "new_synapses": 45, "segment_size": 70, "activation_threshold": 20,
         "matching_threshold": 12}, columns=90, on=60, samples=30, every=(1, 6), threads=32,
    ),
    "memory, arrays that run short": Remembering(
        BASE, every=(1, 10, 3), tiny=True
    ),
    "memory, taken up by other groups": Remembering(BASE, every=(1, 7), moves=True, samples=80),
    "memory, masks in global memory": Remembering(
        BASE, every=(1, 6), group={"shared_masks": False}
    ),
}  # fmt: skip
