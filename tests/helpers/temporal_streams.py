"""Random temporal memories with streams for them, as single objects; comparisons of activity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from htmrun.backends import CellActivity
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.backends.plan import Plan
from htmrun.testing.backends import memory_case
from htmrun.testing.streams import assert_same, outputs_of


@dataclass(frozen=True)
class Case:
    parameters: TemporalMemoryParameters
    columns: int
    bits: Bits
    plan: Plan
    seed: int


def random_case(seed: int, samples: int = 150, window: int | None = None) -> Case:
    """A small memory with tight limits, on noisy repeating sequences with resets and gaps."""
    parameters, stream = memory_case(seed, samples, window)
    return Case(parameters, stream.bits.size, stream.bits, stream.plan, seed)


def cuts(r: np.random.Generator, samples: int, longest: int = 30) -> list[tuple[int, int]]:
    """Cut 0..samples into chunks of random lengths."""
    out, start = [], 0
    while start < samples:
        stop = min(samples, start + int(r.integers(1, longest)))
        out.append((start, stop))
        start = stop
    return out


def same_state(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert list(a) == list(b)
    assert_same(a, b)


def same_activity(a: CellActivity, b: CellActivity) -> None:
    assert_same(outputs_of(a), outputs_of(b))


def joined(parts: list[CellActivity]) -> CellActivity:
    return CellActivity(
        *(
            Bits.concatenate([getattr(p, n) for p in parts])
            for n in ("active", "winners", "predicted")
        ),
        np.concatenate([p.hits for p in parts]),
        np.concatenate([p.bursting for p in parts]),
    )
