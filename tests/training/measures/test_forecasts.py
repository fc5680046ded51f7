"""What is said of a single row, in numbers, is what is said of it among others, in arrays."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from htmrun.components.classifiers.scores import Scores
from htmrun.training.measures.forecasts import (
    made_at_one,
    made_here,
    raw_of,
    raw_of_one,
    time_texts,
)


@pytest.mark.parametrize("kind", ["mean", "median", "mode"])
@pytest.mark.parametrize("seed", range(4))
def test_forecasts_of_one_row(kind: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    pending = []
    for h in (1, 5):
        made = random.random((h, 17)).astype(np.float32) ** 6
        made /= made.sum(1, keepdims=True)
        ends = np.sort(random.normal(0, 100, (h, 2)), axis=1)
        pending.append(Scores(h, made, np.ones(h, np.bool_), ends))
    due = [Scores(s.horizon, s.probability[:1], s.valid[:1], s.ranges) for s in pending]
    readout: Any = SimpleNamespace(
        targets=SimpleNamespace(estimate=kind), pending=lambda: pending,
        newest=lambda: [one.last(1) for one in pending],
    )  # fmt: skip
    many, one = made_here(due, readout, 1), made_at_one(due, readout)
    assert list(one) == list(many)
    assert all(type(value) is float for value in one.values())
    for name, value in one.items():
        assert np.array([value]).tobytes() == many[name].tobytes(), name
    assert list(made_at_one(due, readout, "/x")) == [f"{name}/x" for name in many]


@pytest.mark.parametrize(("hits", "active"), [(0, 40), (7, 40), (13, 39), (40, 40), (0, 0)])
def test_the_raw_score_of_one_row(hits: int, active: int) -> None:
    cells = SimpleNamespace(hits=np.array([hits]))
    memory: Any = SimpleNamespace(cells=cells, active_columns=np.array([active]))
    found = raw_of_one(memory)
    assert type(found) is float
    assert np.array([found]).tobytes() == raw_of(memory).tobytes()


@pytest.mark.parametrize(
    "time",
    ["2026-01-05T07:08:09", "2026-01-05", "0987-01-05T00:00:01", "1969-12-31T23:59:59.000001",
     "2026-01-05T07:08:09.120000", "-0044-03-15T12:00", "12026-01-01T00:00", "NaT"],
)  # fmt: skip
@pytest.mark.parametrize("unit", ["us", "ns", "ms", "s"])
def test_the_text_of_one_time(time: str, unit: str) -> None:
    if unit == "ns" and time[:2] not in ("20", "19", "Na"):
        return  # They do not reach so far.
    times = np.array([time], f"datetime64[{unit}]")
    both = time_texts(np.concatenate([times, times]))
    assert time_texts(times) == both[:1]
