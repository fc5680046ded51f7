"""Random temporal memories and streams for them, and comparisons of what comes out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from htmrun.backends import CellActivity
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.backends.plan import Plan


@dataclass(frozen=True)
class Case:
    parameters: TemporalMemoryParameters
    columns: int
    bits: Bits
    plan: Plan
    seed: int


def random_case(seed: int, samples: int = 150, window: int | None = None) -> Case:
    """A small memory with tight limits, on noisy repeating sequences with resets and gaps."""
    r = np.random.default_rng(seed)
    columns, on = int(r.integers(8, 60)), int(r.integers(2, 8))
    size = int(r.integers(3, 12))
    activation = int(r.integers(1, min(on, size) + 1))
    parameters = TemporalMemoryParameters(
        cells_per_column=int(r.integers(1, 6)),
        activation_threshold=activation,
        matching_threshold=int(r.integers(1, activation + 1)),
        new_synapses=int(r.integers(1, size + 1)),
        segment_size=size,
        segments_per_cell=int(r.integers(1, 5)),
        connected=float(r.choice([0.2, 0.5])),
        initial_permanence=float(r.choice([0.1, 0.21, 0.5])),
        increment=float(r.choice([0.1, 0.3])),
        decrement=float(r.choice([0.05, 0.1, 0.3])),
        punishment=float(r.choice([0.0, 0.05, 0.2])),
    )
    elements = [[r.choice(columns, on, replace=False) for _ in range(5)] for _ in range(4)]
    stream = [e for _ in range(samples // 5 + 1) for e in elements[r.integers(4)]][:samples]
    noise = r.choice([0.0, 0.2])
    rows = []
    for e in stream:
        noisy = np.where(r.random(on) < noise, r.integers(0, columns, on), e)
        rows.append(np.unique(noisy) if r.random() > 0.03 else noisy[:0])
    plan = Plan.every(window or int(r.choice([1, 3, 10, 50])), samples)
    plan.reset[:] = r.random(samples) < 0.1
    return Case(parameters, columns, Bits.from_rows(columns, rows), plan, seed)


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
    for name in a:
        assert a[name].dtype == b[name].dtype, name
        np.testing.assert_array_equal(a[name], b[name], name)


def same_activity(a: CellActivity, b: CellActivity) -> None:
    for name in ("active", "winners", "predicted"):
        x, y = getattr(a, name), getattr(b, name)
        assert x.size == y.size
        assert (x.indices.dtype, x.offsets.dtype) == (y.indices.dtype, y.offsets.dtype)
        np.testing.assert_array_equal(x.offsets, y.offsets, name)
        np.testing.assert_array_equal(x.indices, y.indices, name)
    assert a.hits.dtype == b.hits.dtype == a.bursting.dtype == b.bursting.dtype == np.int32
    np.testing.assert_array_equal(a.hits, b.hits)
    np.testing.assert_array_equal(a.bursting, b.bursting)


def joined(parts: list[CellActivity]) -> CellActivity:
    return CellActivity(
        *(
            Bits.concatenate([getattr(p, n) for p in parts])
            for n in ("active", "winners", "predicted")
        ),
        np.concatenate([p.hits for p in parts]),
        np.concatenate([p.bursting for p in parts]),
    )
