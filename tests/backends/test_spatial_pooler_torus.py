"""Local inhibition on a torus of 64 x 32 columns: its steps alone, and beside the reference."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import njit

from htmrun.backends import topology
from htmrun.backends.bits import Bits
from htmrun.backends.cpu import SpatialPooler
from htmrun.backends.cpu.pooler import start
from htmrun.backends.cpu.pooler.torus_counts import MOST, REACH, count_near
from htmrun.backends.cpu.pooler.torus_masks import first_word, masks_of, torus_masks
from htmrun.backends.cpu.pooler.torus_neighbours import NEAR, better_near, wrap_planes
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from tests.backends.test_spatial_pooler import assert_bits_equal, assert_state_equal, make

OPTIONS = {"boundscheck": False, "error_model": "numpy", "_nrt": False}
GRID = {"columns": 2048, "column_shape": (64, 32), "inhibition": "local"}


@njit(**OPTIONS)
def _count(chosen, radius, places, within, below):
    count_near(chosen, radius, places, within, below)


@njit(**OPTIONS)
def _better(planes, used, radius, near, wrapped, out):
    wrap_planes(planes, used, wrapped)
    for c in range(len(out)):
        first, masks = first_word(c, radius), masks_of(c, radius)
        out[c] = better_near(wrapped, used, c, first, near, masks)


def _neighbours(radius: int) -> np.ndarray:
    """Return who is a neighbour of whom, itself included: int32 (2048, 2048)."""
    indices, offsets = topology.neighbourhoods((64, 32), radius, True)
    out = np.zeros((2048, 2048), np.int32)
    out[np.repeat(np.arange(2048), np.diff(offsets)), indices] = 1
    return out


def _packed(bits: np.ndarray) -> np.ndarray:
    return np.packbits(bits.astype(np.uint8), axis=-1, bitorder="little").view(np.uint64)


def check_counts() -> None:
    """Hold counts in neighbourhoods of every size to NumPy's, from no column to all of them."""
    random = np.random.default_rng(1)
    for radius in range(1, REACH + 1):
        near = _neighbours(radius)
        for places in (1, 3, MOST):
            share = min(1.0, places / near[0].sum())
            for some in (0.0, 0.5 * share, share, min(1.0, 2 * share), 1.0):
                chosen = random.random(2048) < some
                counts = near @ chosen.astype(np.int32)
                within, below = np.zeros((2, 32), np.uint64)
                _count(_packed(chosen), radius, places, within, below)
                case = f"radius {radius}, {places} places, {some}"
                np.testing.assert_array_equal(within, _packed(counts <= places), case)
                np.testing.assert_array_equal(below, _packed(counts < places), case)


def check_neighbours() -> None:
    """Hold how many neighbours beat each column to NumPy's, with ties and without."""
    random = np.random.default_rng(2)
    index = np.arange(2048)
    for radius in range(1, REACH + 1):
        settings = {**GRID, "inhibition_radius": radius}
        masks = torus_masks(SpatialPoolerParameters(**settings), 1)
        near = _neighbours(radius).astype(bool)
        for used in (1, 3, 11):
            overlaps = random.integers(0, 1 << used, 2048)
            planes = _packed(overlaps >> np.arange(used)[:, None] & 1)
            found = np.zeros(2048, np.int64)
            wrapped = np.full((32, 32 + NEAR), 0xAAAAAAAAAAAAAAAA, np.uint64)
            _better(planes, used, radius, masks, wrapped, found)
            more = overlaps > overlaps[:, None]
            tied = (overlaps == overlaps[:, None]) & (index < index[:, None])
            expected = (near & (more | tied)).sum(1)
            np.testing.assert_array_equal(found, expected, f"radius {radius}, {used} planes")


def test_all_neighbourhoods_are_counted_like_numpy_counts_them() -> None:
    check_counts()


def test_better_neighbours_are_counted_like_numpy_counts_them() -> None:
    check_neighbours()


def test_processors_without_long_registers_count_alike() -> None:
    code = f"from {__name__} import check_counts, check_neighbours\ncheck_counts()\n"
    environment = {**os.environ, "NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""}
    subprocess.run([sys.executable, "-c", code + "check_neighbours()"], env=environment, check=True)


@pytest.mark.parametrize(
    ("grid", "radius", "density", "wrap", "torus"),
    [
        ((64, 32), 8, 0.02, True, True),
        ((64, 32), 15, 0.006, True, True),
        ((64, 32), 2, 0.24, True, True),
        ((64, 32), 2, 0.28, True, False),
        ((64, 32), 16, 0.005, True, False),
        ((64, 32), 8, 0.02, False, False),
        ((32, 64), 8, 0.02, True, False),
        ((63, 32), 8, 0.02, True, False),
        ((2048,), 8, 0.02, True, False),
    ],
)
def test_which_grids_are_counted_at_once(
    grid: tuple[int, ...], radius: int, density: float, wrap: bool, torus: bool
) -> None:
    parameters = SpatialPoolerParameters(
        columns=int(np.prod(grid)), column_shape=grid, inhibition="local",
        inhibition_radius=radius, density=density, wrap=wrap,
    )  # fmt: skip
    field = start.make_field(parameters)
    assert (len(field.near) > 0) == torus
    # Not both ways at once.
    assert not torus or len(field.rows) == 0


CASES = [(1, 0.05), (1, 0.5), (2, 0.24), (5, 0.05), (8, 0.02), (8, 0.001), (14, 0.005), (15, 0.006)]
"""Radius and density: one winner around each column to MOST, small neighbourhoods and large."""


@pytest.mark.parametrize("boost_strength", [0.0, 40.0])
@pytest.mark.parametrize(("radius", "density"), CASES)
def test_winners_of_all_kinds_of_samples(
    radius: int, density: float, boost_strength: float
) -> None:
    settings = {
        **GRID, "inhibition_radius": radius, "density": density, "increment": 0.2,
        "stimulus_threshold": 1 + radius % 3, "boost_strength": boost_strength,
    }  # fmt: skip
    reference, cpu = (make(b, (1100,), **settings) for b in ("reference", "cpu"))
    # No overlap, few, usual ones and such of two bytes, one after the other.
    shares = (0.0, 0.004, 0.05, 0.6, 1.0, 0.05, 0.002, 0.3, 1.0, 0.02)
    on = np.random.default_rng(3).random((len(shares), 1100)) < np.array(shares)[:, None]
    bits = Bits.from_dense(on)
    for plan in (Plan.every(1, len(shares)), Plan.every(5, len(shares))):
        assert_bits_equal(reference.run(bits, plan), cpu.run(bits, plan))
    assert_bits_equal(reference.compute(bits), cpu.compute(bits))
    assert_state_equal(reference.state(), cpu.state())


@pytest.mark.parametrize("boost_strength", [0.0, 3.0])
@pytest.mark.parametrize("on", [1, 3, 30])
def test_winners_among_ties_wherever_bounds_start(on: int, boost_strength: float) -> None:
    settings = {**GRID, "inhibition_radius": 7, "boost_strength": boost_strength}
    reference, cpu = (make(b, (90,), **settings) for b in ("reference", "cpu"))
    assert isinstance(cpu, SpatialPooler)
    random = np.random.default_rng(on)
    bits = Bits.from_rows(90, [np.sort(random.permutation(90)[:on]) for _ in range(6)])
    plan = Plan.every(1, 6)
    assert_bits_equal(reference.run(bits, plan), cpu.run(bits, plan))
    expected = reference.compute(bits)
    for first in (1 / 1024, 0.1, 0.2, 0.3, 0.5, 0.9, 16.0):
        for second in (1 / 64, 0.6, 0.9, 1.0):
            cpu._memory.hint[2:] = first, second
            assert_bits_equal(expected, cpu.compute(bits))
