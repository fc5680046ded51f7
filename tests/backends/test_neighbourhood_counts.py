"""The steps of local inhibition alone, beside NumPy: counts of neighbours, and who beats whom."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest

from htmrun.backends import topology
from htmrun.backends.cpu.pooler.field import make_field
from htmrun.backends.cpu.pooler.layout import SLACK
from htmrun.backends.cpu.pooler.local import _count_near, _rank_overlaps, _rank_scores
from htmrun.backends.parameters import SpatialPoolerParameters

GRIDS = [
    ((64, 32), 8, 0.02, True),
    ((64, 32), 1, 0.3, False),
    ((32, 32), 16, 0.02, True),
    ((48, 20), 3, 0.02, True),
    ((100, 10), 8, 0.5, True),
    ((37, 45), 5, 0.05, True),
    ((37, 45), 50, 0.004, False),
    ((1, 700), 20, 0.05, True),
    ((700, 1), 349, 0.5, True),
    ((3, 2), 1, 0.3, True),
    ((1, 1), 1, 0.3, True),
    ((1500,), 600, 0.003, True),
    ((11, 12, 13), 2, 0.1, True),
    ((80, 60), 6, 0.02, True),
]
"""Grid, radius, density, wrapped: one line of columns to ten, one winner around each to many."""


def _field(grid: tuple[int, ...], radius: int, density: float, wrap: bool):
    """Return the field of a grid and who is a neighbour of whom, int32 (columns, columns)."""
    n = math.prod(grid)
    parameters = SpatialPoolerParameters(
        columns=n, column_shape=grid, inhibition="local", inhibition_radius=radius,
        density=density, wrap=wrap,
    )  # fmt: skip
    indices, offsets = topology.neighbourhoods(grid, radius, wrap)
    near = np.zeros((n, n), np.int32)
    near[np.repeat(np.arange(n), np.diff(offsets)), indices] = 1
    return make_field(parameters, radius), near


def _packed(values: np.ndarray, words: int) -> np.ndarray:
    """Return bits (..., columns) as words, padded with zeros."""
    bits = np.zeros((*values.shape[:-1], words * 64), np.uint8)
    bits[..., : values.shape[-1]] = values
    return np.packbits(bits, axis=-1, bitorder="little").view(np.uint64)


def _unpacked(words: np.ndarray, n: int) -> np.ndarray:
    return np.unpackbits(words.view(np.uint8), bitorder="little")[:n].astype(bool)


def check_counts(grid: tuple[int, ...], radius: int, density: float, wrap: bool) -> None:
    """Hold counts in all neighbourhoods to NumPy's, from no column to all of them."""
    field, near = _field(grid, radius, density, wrap)
    random = np.random.default_rng(1)
    n, words = len(near), field.limits.shape[1]
    for share in (0.0, 0.01, 0.03, 0.2, 1.0):
        chosen = random.random(n) < share
        within, below = np.zeros((2, words), np.uint64)
        found = _count_near(
            _packed(chosen, words),
            field.near,
            field.blocks,
            field.limits,
            np.zeros(128 * words + SLACK, np.int32),
            np.zeros(2 * words + 1, np.int64),
            np.full((33, 8), 0xAAAAAAAAAAAAAAAA, np.uint64),
            np.zeros(256, np.int64),
            within,
            below,
        )
        counts = near @ chosen
        assert found == chosen.sum()
        np.testing.assert_array_equal(_unpacked(within, n), counts <= field.places, f"{share}")
        np.testing.assert_array_equal(_unpacked(below, n), counts < field.places, f"{share}")


def check_ranks(grid: tuple[int, ...], radius: int, density: float, wrap: bool) -> None:
    """Hold whom enough neighbours beat to NumPy's, by overlap and by score, with ties."""
    field, near = _field(grid, radius, density, wrap)
    random = np.random.default_rng(2)
    n, words = len(near), field.limits.shape[1]
    index = np.arange(n)
    for used in (1, 3, 11):
        overlaps = random.integers(0, 1 << used, n)
        more = overlaps > overlaps[:, None]
        beaten, expected = (near * more).sum(1), np.zeros(n, bool)
        for c in range(n):
            tied = near[c] * (overlaps == overlaps[c]) * expected
            expected[c] = beaten[c] + tied.sum() < field.places[c]
        planes = _packed(overlaps >> np.arange(used)[:, None] & 1, words)
        keys = np.zeros(64 * words, np.uint32)
        keys[:n] = overlaps + 1
        listed = index.astype(np.int32)
        ranks = (field.near, field.lines, field.offsets, field.places)
        by_overlap, by_score = np.zeros((2, words), np.uint64)
        _rank_overlaps(n, listed, planes, used, *ranks, by_overlap)
        _rank_scores(n, listed, keys, *ranks, by_score)
        np.testing.assert_array_equal(_unpacked(by_overlap, n), expected, f"{used} planes")
        np.testing.assert_array_equal(_unpacked(by_score, n), expected, f"{used} planes")


@pytest.mark.parametrize(("grid", "radius", "density", "wrap"), GRIDS)
def test_all_neighbourhoods_are_counted_like_numpy_counts_them(
    grid: tuple[int, ...], radius: int, density: float, wrap: bool
) -> None:
    check_counts(grid, radius, density, wrap)


@pytest.mark.parametrize(("grid", "radius", "density", "wrap"), GRIDS)
def test_better_neighbours_are_counted_like_numpy_counts_them(
    grid: tuple[int, ...], radius: int, density: float, wrap: bool
) -> None:
    check_ranks(grid, radius, density, wrap)


def test_processors_without_long_registers_count_alike() -> None:
    code = f"from {__name__} import GRIDS, check_counts, check_ranks\n"
    code += "for case in GRIDS:\n    check_counts(*case)\n    check_ranks(*case)\n"
    environment = {**os.environ, "NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
