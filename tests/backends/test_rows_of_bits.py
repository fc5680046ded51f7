"""Counts over many samples' on-bits, against sets."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.backends.bits import Bits
from htmrun.backends.cpu.common.rows_of_bits import in_common, without

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


def test_other_shapes_are_refused():
    bits = drawn(5, 8)
    with pytest.raises(ValueError, match="rows of shape"):
        in_common(bits.dense()[:, :7], bits)
    with pytest.raises(ValueError, match="7 flags"):
        without(bits, np.ones(7, np.bool_))
