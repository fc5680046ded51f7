"""However many threads share a window or a chunk, winners and states are the same."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from htmrun.backends.bits import Bits
from htmrun.backends.cpu import SpatialPooler
from htmrun.backends.cpu.pooler import spatial_pooler, work_sharing
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.testing.backends import pooler_case
from tests.backends.test_spatial_pooler import (
    assert_bits_equal,
    assert_state_equal,
    make,
    noise,
)


def flags(samples: int, seed: int) -> Plan:
    """Return commits and boosting points strewn at random."""
    commit, boost = (np.random.default_rng(seed).random((2, samples)) < 0.3).astype(np.uint8)
    return Plan(np.zeros(samples, np.uint8), commit, boost)


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Share whatever can be shared, and keep the boards over which it happens."""
    kept: list[np.ndarray] = []

    def new_board() -> np.ndarray:
        kept.append(np.zeros(work_sharing.BOARD, np.int64))
        return kept[-1]

    monkeypatch.setattr(spatial_pooler, "_SHARED_FROM", 1)
    monkeypatch.setattr(work_sharing, "new_board", new_board)
    return kept


def helped(boards: list[np.ndarray]) -> int:
    return sum(int(board[work_sharing.HELPED]) for board in boards)


@pytest.mark.parametrize("threads", [2, 5])
@pytest.mark.parametrize("seed", range(12))
def test_threads_change_nothing(seed: int, threads: int, boards: list[np.ndarray]) -> None:
    shape, settings = pooler_case(seed)
    reference = make("reference", shape, seed, **settings)
    shared = SpatialPooler(SpatialPoolerParameters(**settings), shape, seed, threads=threads)
    size = math.prod(shape)
    for part in range(3):
        bits = noise(60, size, [0.02, 0.1, 0.3, 0.9][seed % 4], seed + 100 * part)
        plan = [Plan.every(25, 60), flags(60, seed), Plan.every(7, 60)][(seed + part) % 3]
        if settings["duty_period"] <= 30:
            plan = flags(60, seed)
        assert_bits_equal(reference.run(bits, plan), shared.run(bits, plan))
        assert_state_equal(reference.state(), shared.state())
        assert_bits_equal(reference.compute(bits), shared.compute(bits))


@pytest.mark.parametrize(
    "settings",
    [
        {"winners": 20},
        {"winners": 20, "boost_strength": 3.0, "weak_bump": 0.01},
        {
            "column_shape": (30, 50), "inhibition": "local", "inhibition_radius": 4,
            "boost_strength": 3.0, "weak_bump": 0.01, "weak_fraction": 0.9,
        },
    ],
)  # fmt: skip
def test_helpers_do_a_share_and_it_does_not_show(settings: dict, boards: list[np.ndarray]) -> None:
    """Windows of several sizes, cut by chunks, until other threads have taken pieces of both."""
    parameters = SpatialPoolerParameters(columns=1500, **settings)
    one, shared = (SpatialPooler(parameters, (200,), 3, threads=n) for n in (1, 3))
    deadline, part = time.monotonic() + 120, 0
    while helped(boards) < 50 or part < 8:
        bits = noise(400, 200, 0.2, part)
        plan = Plan.every([130, 17, 64, 400, 129][part % 5], 400)
        boost = np.zeros(400, np.uint8)
        boost[37::91] = 1
        plan = Plan(plan.reset, plan.commit, plan.boost | boost)
        assert_bits_equal(one.run(bits, plan), shared.run(bits, plan))
        assert_state_equal(one.state(), shared.state())
        assert_bits_equal(one.compute(bits), shared.compute(bits))
        part += 1
        assert time.monotonic() < deadline, "no other thread ever took a piece"


def test_one_thread_asks_nobody(boards: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(board: np.ndarray, helpers: list) -> None:
        raise AssertionError("asked for help")

    monkeypatch.setattr(spatial_pooler, "helped", refuse)
    alone = SpatialPooler(SpatialPoolerParameters(columns=64, winners=3), (50,), 1)
    alone.run(noise(64, 50, 0.2), Plan.every(32, 64))
    two = SpatialPooler(SpatialPoolerParameters(columns=64, winners=3), (50,), 1, threads=2)
    with pytest.raises(AssertionError, match="asked for help"):
        two.run(noise(64, 50, 0.2), Plan.every(32, 64))


def test_short_windows_are_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Online learning stays on one thread, whatever it may use; so do a few samples."""

    def refuse(board: np.ndarray, helpers: list) -> None:
        raise AssertionError("asked for help")

    monkeypatch.setattr(spatial_pooler, "helped", refuse)
    pooler = SpatialPooler(SpatialPoolerParameters(columns=2048), (784,), 1, threads=4)
    pooler.run(noise(300, 784, 0.19), Plan.every(1, 300))
    pooler.compute(noise(4, 784, 0.19))
    with pytest.raises(AssertionError, match="asked for help"):
        pooler.run(noise(300, 784, 0.19), Plan.every(256, 300))


def test_helpers_go_home_when_the_chunk_is_interrupted(
    boards: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    two = SpatialPooler(SpatialPoolerParameters(columns=64, winners=3), (50,), 1, threads=2)
    with monkeypatch.context() as patch:
        patch.setattr(spatial_pooler.kernel, "infer_chunk", interrupted)
        with pytest.raises(KeyboardInterrupt):
            two.compute(noise(64, 50, 0.2))
    assert [bool(board[work_sharing.CLOSED]) for board in boards] == [True]
    alone = SpatialPooler(SpatialPoolerParameters(columns=64, winners=3), (50,), 1)
    assert_bits_equal(two.compute(noise(64, 50, 0.2)), alone.compute(noise(64, 50, 0.2)))


def test_at_least_one_thread() -> None:
    with pytest.raises(ValueError, match="threads: 0, expected at least 1"):
        SpatialPooler(SpatialPoolerParameters(columns=64, winners=3), (50,), 1, threads=0)


def test_no_samples() -> None:
    two = SpatialPooler(SpatialPoolerParameters(columns=64, winners=3), (50,), 1, threads=2)
    none = Bits.empty(50)
    assert len(two.compute(none)) == len(two.run(none, Plan.every(1, 0))) == 0
