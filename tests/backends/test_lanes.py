"""Lists sorted side by side by a network, and what of it a few places need."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from htmrun.backends.cpu.common.lanes import LANES, LONGEST, MOST_PAIRS, copy_lanes, network, order


@njit
def run(words, pairs, n):
    for c in range(n):
        order(words, np.int64(pairs[2 * c]), np.int64(pairs[2 * c + 1]))


@pytest.mark.parametrize("first", [1, 7, LONGEST])
def test_the_first_places_are_those_of_a_sorted_list(first):
    random = np.random.default_rng(0)
    pairs = np.zeros(2 * MOST_PAIRS, np.uint8)
    for length in range(1, LONGEST + 1):
        few = min(first, length)
        n = network(length, few, pairs)
        for most in (2 * length, 2**32):  # with equal words, and without
            words = random.integers(0, most, (length, LANES)).astype(np.uint32)
            flat = words.ravel().copy()
            run(flat, pairs, n)
            np.testing.assert_array_equal(
                flat.reshape(length, LANES)[:few], np.sort(words, 0)[:few]
            )


def test_fewer_places_need_fewer_pairs():
    pairs = np.zeros(2 * MOST_PAIRS, np.uint8)
    assert network(LONGEST, LONGEST, pairs) == MOST_PAIRS
    assert network(40, 20, pairs) < network(40, 40, pairs) < MOST_PAIRS


def test_lanes_are_copied_and_nothing_beside_them():
    @njit
    def copy(source, target):
        copy_lanes(source, 3, target, 5)

    source, target = np.arange(40, dtype=np.uint32), np.zeros(40, np.uint32)
    copy(source, target)
    expected = np.zeros(40, np.uint32)
    expected[5 : 5 + LANES] = source[3 : 3 + LANES]
    np.testing.assert_array_equal(target, expected)
