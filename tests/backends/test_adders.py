"""Counting rows of bits and choosing by bit planes, beside plain sums and sorting."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import njit

from htmrun.backends.cpu.pooler import start
from htmrun.backends.cpu.pooler.adders import BLOCK, GROUP
from htmrun.backends.cpu.pooler.overlap import count_rows
from htmrun.backends.cpu.pooler.winners import best_overlaps

COUNTS = [*range(2 * GROUP + 2), 100, *range(BLOCK - 2, BLOCK + 10), 255, 256, 300, 511, 512, 700]


@njit(boundscheck=False, error_model="numpy", _nrt=False)
def _count(rows, on, planes, places):
    return count_rows(rows, 0, on, planes, places)


@njit(boundscheck=False, error_model="numpy", _nrt=False)
def _best(used, k, stimulus, m):
    best_overlaps(used, k, stimulus, m)


def _matrix(rows: int, words: int) -> np.ndarray:
    random = np.random.default_rng(rows)
    out = random.integers(0, 1 << 63, (rows + 1, words), np.int64).astype(np.uint64)
    out[:, : words // 2] |= random.integers(0, 1 << 63, (rows + 1, words // 2)).astype(np.uint64)
    out[-1] = 0
    return out


def _numbers(planes: np.ndarray) -> np.ndarray:
    bits = np.unpackbits(planes.view(np.uint8), axis=1, bitorder="little").astype(np.int64)
    return (bits << np.arange(len(planes))[:, None]).sum(0)


def check_counts() -> None:
    """Hold sums of every number of rows, several steps wide, to NumPy's."""
    rows = _matrix(800, 24)
    dense = np.unpackbits(rows.view(np.uint8), axis=1, bitorder="little").astype(np.int64)
    planes = np.full((33, 24), 0xAAAAAAAAAAAAAAAA, np.uint64)
    for count in COUNTS:
        on = np.random.default_rng(count).permutation(800)[:count].astype(np.int32)
        used = _count(rows, on, planes, np.zeros(BLOCK + GROUP, np.int64))
        assert 1 << used > count
        np.testing.assert_array_equal(_numbers(planes[:used]), dense[on].sum(0), str(count))


def test_rows_are_counted_like_numpy_counts_them() -> None:
    check_counts()


def test_processors_without_an_instruction_for_adders_count_alike() -> None:
    """Without AVX-512 the same sums are made of plain operations."""
    env = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    code = "from tests.backends.test_adders import check_counts; check_counts()"
    subprocess.run([sys.executable, "-c", code], env=env, check=True)


@pytest.mark.parametrize("used", range(4, 10))
@pytest.mark.parametrize("stimulus", [1, 7, 600])
def test_the_best_by_bit_planes_are_those_of_a_stable_sort(used: int, stimulus: int) -> None:
    m = start.empty_memory(700, 10, 1)
    random = np.random.default_rng(used)
    for draw in range(20):
        m.planes[:] = 0xAAAAAAAAAAAAAAAA
        overlaps = np.zeros(m.planes.shape[1] * 64, np.int64)
        most = int(random.integers(1, 1 << used))
        overlaps[:700] = random.integers(0, most + 1, 700)
        if draw % 2:
            overlaps[:700] = np.minimum(overlaps[:700], most // 2)
        bits = (overlaps >> np.arange(used)[:, None] & 1).astype(np.uint8)
        m.planes[:used] = np.packbits(bits, axis=1, bitorder="little").view(np.uint64)
        k = int(random.choice([1, 2, 40, 699, 700]))
        _best(used, k, stimulus, m)
        chosen = np.unpackbits(m.selected.view(np.uint8), bitorder="little")
        order = np.argsort(-overlaps, kind="stable")[:k]
        expected = np.sort(order[overlaps[order] >= stimulus])
        np.testing.assert_array_equal(np.flatnonzero(chosen), expected)
