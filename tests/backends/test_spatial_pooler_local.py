"""Local inhibition on grids of all kinds, beside the reference."""

from __future__ import annotations

import math

import numpy as np
import pytest

from htmrun.backends.bits import Bits
from htmrun.backends.cpu import SpatialPooler
from htmrun.backends.plan import Plan
from tests.backends.test_spatial_pooler import assert_bits_equal, assert_state_equal, make, noise

GRIDS = [
    ((64, 32), 8, 0.02, False),
    ((43, 47), 5, 0.1, False),
    ((2000,), 60, 0.03, True),
    ((12, 11, 13), 2, 0.05, False),
    ((64, 32), 4, 0.3, True),
    ((50, 42), 3, 0.1, True),
]


@pytest.mark.parametrize("boost_strength", [0.0, 3.0])
@pytest.mark.parametrize(("grid", "radius", "density", "wrap"), GRIDS)
def test_grids_of_a_usual_size(
    grid: tuple[int, ...], radius: int, density: float, wrap: bool, boost_strength: float
) -> None:
    settings = {
        "columns": math.prod(grid), "column_shape": grid, "inhibition": "local",
        "inhibition_radius": radius, "density": density, "wrap": wrap,
        "boost_strength": boost_strength, "increment": 0.3,
    }  # fmt: skip
    reference, cpu = (make(b, (90,), **settings) for b in ("reference", "cpu"))
    bits = noise(16, 90, 0.3)
    # As many levels of overlap as there are inputs, and next to none: ties decide then.
    bits.indices[bits.offsets[12] :] //= 9
    bits = type(bits).from_rows(90, [np.unique(bits.row(t)) for t in range(16)])
    for plan in (Plan.every(4, 16), Plan.every(1, 16)):
        assert_bits_equal(reference.run(bits, plan), cpu.run(bits, plan))
    assert_state_equal(reference.state(), cpu.state())


EDGES = [
    ((64, 32), 1, 0.1, False),
    ((64, 32), 40, 0.004, True),
    ((64, 32), 70, 0.007, False),
    ((1, 1537), 12, 0.25, True),
    ((16, 128), 3, 0.5, False),
    ((40, 40), 1, 0.3, True),
    ((700,), 20, 0.05, True),
    ((2100,), 9, 0.2, False),
    ((100, 10), 3, 0.02, True),
    ((33, 31), 8, 0.02, True),
    ((5, 7), 3, 0.1, True),
    ((1, 40), 30, 0.2, True),
    ((67, 1), 5, 0.3, True),
    ((31, 66), 15, 0.006, True),
    ((72, 64), 9, 0.02, True),
    ((9, 8, 7), 4, 0.05, True),
]
"""Radius 1 to everything, one row to all columns in one, lines that are full or nearly so."""


@pytest.mark.parametrize("boost_strength", [0.0, 40.0])
@pytest.mark.parametrize(("grid", "radius", "density", "wrap"), EDGES)
def test_edges_of_grids_and_of_overlaps(
    grid: tuple[int, ...], radius: int, density: float, wrap: bool, boost_strength: float
) -> None:
    settings = {
        "columns": math.prod(grid), "column_shape": grid, "inhibition": "local",
        "inhibition_radius": radius, "density": density, "wrap": wrap,
        "boost_strength": boost_strength, "stimulus_threshold": 3, "increment": 0.2,
    }  # fmt: skip
    reference, cpu = (make(b, (1100,), **settings) for b in ("reference", "cpu"))
    # No overlap, few, usual ones and such of two bytes, one after the other.
    shares = (0.0, 0.004, 0.05, 0.6, 1.0, 0.05, 0.002, 0.3, 1.0, 0.02)
    on = np.random.default_rng(3).random((len(shares), 1100)) < np.array(shares)[:, None]
    bits = Bits.from_dense(on)
    plan = Plan.every(1, len(shares))
    for _ in range(2):
        assert_bits_equal(reference.run(bits, plan), cpu.run(bits, plan))
    assert_bits_equal(reference.compute(bits), cpu.compute(bits))
    assert_state_equal(reference.state(), cpu.state())


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("boost_strength", [0.0, 3.0])
def test_where_all_columns_tie(wrap: bool, boost_strength: float) -> None:
    settings = {
        "columns": 2048, "column_shape": (64, 32), "inhibition": "local", "inhibition_radius": 8,
        "potential_fraction": 1.0, "initial_connected": 1.0, "boost_strength": boost_strength,
        "wrap": wrap,
    }  # fmt: skip
    reference, cpu = (make(b, (60,), **settings) for b in ("reference", "cpu"))
    bits = noise(6, 60, 0.4)
    assert_bits_equal(reference.compute(bits), cpu.compute(bits))
    plan = Plan.every(1, 6)
    assert_bits_equal(reference.run(bits, plan), cpu.run(bits, plan))


@pytest.mark.parametrize("boost_strength", [0.0, 3.0])
@pytest.mark.parametrize("seed", range(8))
def test_grids_drawn_at_random(seed: int, boost_strength: float) -> None:
    random = np.random.default_rng(seed)
    grid = tuple(int(n) for n in random.integers(1, 45, 2))
    settings = {
        "columns": math.prod(grid), "column_shape": grid, "inhibition": "local",
        "inhibition_radius": int(random.integers(1, max(grid) + 1)),
        "density": float(random.choice([0.005, 0.02, 0.1, 0.4])), "wrap": seed % 4 > 0,
        "boost_strength": boost_strength, "stimulus_threshold": int(random.integers(1, 4)),
        "increment": 0.2, "weak_bump": 0.05, "weak_fraction": 0.2,
    }  # fmt: skip
    reference, cpu = (make(b, (120,), **settings) for b in ("reference", "cpu"))
    bits = noise(10, 120, 0.2, seed)
    for plan in (Plan.every(1, 10), Plan.every(5, 10)):
        assert_bits_equal(reference.run(bits, plan), cpu.run(bits, plan))
    assert_bits_equal(reference.compute(bits), cpu.compute(bits))
    assert_state_equal(reference.state(), cpu.state())


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("boost_strength", [0.0, 3.0])
@pytest.mark.parametrize("on", [1, 3, 30])
def test_wherever_bounds_start(on: int, boost_strength: float, wrap: bool) -> None:
    settings = {
        "columns": 2048, "column_shape": (64, 32), "inhibition": "local", "inhibition_radius": 7,
        "wrap": wrap, "boost_strength": boost_strength,
    }  # fmt: skip
    reference, cpu = (make(b, (90,), **settings) for b in ("reference", "cpu"))
    assert isinstance(cpu, SpatialPooler)
    random = np.random.default_rng(on)
    bits = Bits.from_rows(90, [np.sort(random.permutation(90)[:on]) for _ in range(6)])
    plan = Plan.every(1, 6)
    assert_bits_equal(reference.run(bits, plan), cpu.run(bits, plan))
    expected = reference.compute(bits)
    for first in (1 / 1024, 0.05, 0.1, 0.2, 0.3, 0.5, 0.9, 16.0):
        for second in (1 / 64, 0.6, 0.9, 1.0):
            cpu._memory.hint[2:] = first, second
            assert_bits_equal(expected, cpu.compute(bits))


@pytest.mark.parametrize("boost_strength", [0.0, 3.0])
def test_ties_among_the_last_few(boost_strength: float) -> None:
    settings = {
        "columns": 2048, "column_shape": (64, 32), "inhibition": "local", "inhibition_radius": 31,
        "density": 0.003, "stimulus_threshold": 3, "initial_connected": 0.3,
        "boost_strength": boost_strength,
    }  # fmt: skip
    reference, cpu = (make(b, (200,), **settings) for b in ("reference", "cpu"))
    bits = Bits.from_rows(200, [[4 * t, 4 * t + 1, 4 * t + 2, 4 * t + 3] for t in range(40)])
    reached = (reference.overlaps(bits) >= 3).sum(1)
    assert ((reached > 12) & (reached <= 48)).sum() > 10
    cpu._memory.hint[2] = 1.0
    assert_bits_equal(reference.compute(bits), cpu.compute(bits))
