"""Local inhibition on grids whose columns fill registers, and on those that do not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from htmrun.backends.bits import Bits
from htmrun.backends.cpu import SpatialPooler
from htmrun.backends.parameters import SpatialPoolerParameters
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


def test_which_grids_fit_registers() -> None:
    fits = []
    for grid, radius, density, wrap in GRIDS:
        parameters = SpatialPoolerParameters(
            columns=math.prod(grid), column_shape=grid, inhibition="local",
            inhibition_radius=radius, density=density, wrap=wrap,
        )  # fmt: skip
        fits.append(len(SpatialPooler(parameters, (9,), 1)._field.rows) > 0)
    assert fits == [True, True, True, True, False, False]


EDGES = [
    ((64, 32), 1, 0.1, False),
    ((64, 32), 40, 0.004, True),
    ((64, 32), 70, 0.007, False),
    ((1, 1537), 12, 0.25, True),
    ((16, 128), 3, 0.5, False),
    ((40, 40), 1, 0.3, True),
    ((700,), 20, 0.05, True),
    ((2100,), 9, 0.2, False),
]
"""Radius 1 to everything, the least and the largest grid for registers, some beside them."""


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


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("boost_strength", [0.0, 3.0])
def test_wherever_the_bound_starts(wrap: bool, boost_strength: float) -> None:
    settings = {
        "columns": 2048, "column_shape": (64, 32), "inhibition": "local", "inhibition_radius": 8,
        "wrap": wrap, "boost_strength": boost_strength,
    }  # fmt: skip
    reference, cpu = (make(b, (300,), **settings) for b in ("reference", "cpu"))
    bits = noise(8, 300, 0.2)
    plan = Plan.every(1, 8)
    reference.run(bits, plan)
    cpu.run(bits, plan)
    expected = reference.compute(bits)
    for share in (1 / 1024, 0.02, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.3, 0.5, 16.0):
        cpu._memory.hint[2] = share
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
