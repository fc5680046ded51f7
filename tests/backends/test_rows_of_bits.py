"""Counts over many samples' on-bits, against sets."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.backends.bits import Bits
from htmrun.backends.cpu.common.rows_of_bits import in_common, rows_of, swapped, without

SIZES = [1, 31, 64, 65, 257]


def drawn(seed: int, size: int) -> Bits:
    """Samples from empty ones to full ones, in any order."""
    random = np.random.default_rng(seed)
    return Bits.from_dense(
        random.random((23, size)) < random.permutation(np.linspace(0, 1, 23))[:, None]
    )


@pytest.mark.parametrize("size", SIZES)
def test_bits_in_common_are_those_of_both_sets(size):
    a, b = drawn(1, size), drawn(2, size)
    found = in_common(a.dense(), b)
    assert found.tolist() == [len({*a.row(t)} & {*b.row(t)}) for t in range(23)]
    assert found.any()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_what_is_not_alive_is_gone_and_the_rest_keeps_its_order(size, share):
    bits, alive = drawn(3, size), np.random.default_rng(4).random(size) < share
    left = without(bits, alive)
    assert [left.row(t).tolist() for t in range(23)] == [
        [i for i in bits.row(t).tolist() if alive[i]] for t in range(23)
    ]
    assert left.size == size
    assert left.indices.dtype == np.int32
    assert len(left.indices) == left.offsets[-1]


@pytest.mark.parametrize("size", SIZES)
def test_rows_are_those_of_the_bits(size):
    bits = drawn(6, size)
    found = rows_of(bits)
    assert (found.dtype, found.shape) == (np.uint8, (23, size))
    assert found.tolist() == bits.dense().tolist()
    for wrong in (size, -1):
        with pytest.raises(ValueError, match="outside"):
            rows_of(Bits.from_rows(size, [[0], [wrong]]))


@pytest.mark.parametrize("size", SIZES)
def test_those_of_lowest_rank_change_sides(size):
    bits, random = drawn(7, size), np.random.default_rng(8)
    dense = bits.dense().astype(np.bool_)
    rank = np.empty(dense.shape, np.int32)
    for t in range(23):
        for side in (dense[t], ~dense[t]):
            rank[t, side] = random.permutation(int(side.sum()))
    most = np.minimum(dense.sum(1), size - dense.sum(1))
    for moved in (most * 0, most // 2, most):
        found = swapped(dense, rank, moved.astype(np.int32), bits.offsets)
        assert len(found.indices) == bits.offsets[-1]
        for t in range(23):
            expected = [i for i in range(size) if dense[t, i] != (rank[t, i] < moved[t])]
            assert found.row(t).tolist() == expected


def test_other_shapes_are_refused():
    bits = drawn(5, 8)
    with pytest.raises(ValueError, match="rows of shape"):
        in_common(bits.dense()[:, :7], bits)
    with pytest.raises(ValueError, match="7 flags"):
        without(bits, np.ones(7, np.bool_))
