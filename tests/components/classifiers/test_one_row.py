"""A row by itself goes through numbers instead of arrays, and has the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htmrun.backends.bits import Bits
from htmrun.components.classifiers.buckets import Buckets, quantiles
from htmrun.components.classifiers.delay import Delay
from htmrun.components.classifiers.horizons import Past

SHARES = (0.05, 0.95, 0.5, 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_shares_of_a_distribution(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.random((40, 17)).astype(np.float32) ** 8
    scores[random.random(scores.shape) < 0.4] = 0
    scores[:, 3] += np.float32(1e-6)
    made = scores / scores.sum(1, keepdims=True)
    many = quantiles(made, SHARES)
    assert many.shape == (len(SHARES), 40)
    ones = np.concatenate([quantiles(made[t : t + 1], SHARES) for t in range(40)], axis=1)
    assert many.tobytes() == ones.tobytes()
    columns = np.asfortranarray(made)[:, ::2]
    for other in (columns, columns.astype(np.float64)):  # Neither as it lies nor as it is counted.
        ones = np.concatenate([quantiles(other[t : t + 1], SHARES) for t in range(40)], axis=1)
        assert quantiles(other, SHARES).tobytes() == ones.tobytes()
    cumulative = np.cumsum(made.astype(np.float64), axis=1)
    for share, found in zip(SHARES, many, strict=True):
        for row, value in zip(cumulative / cumulative[:, -1:], found, strict=True):
            np.testing.assert_allclose(np.interp(value, range(18), [0.0, *row]), share, atol=1e-12)


@settings(deadline=None)
@given(
    h=st.integers(1, 9), cuts=st.lists(st.integers(1, 12) | st.just(1), min_size=1, max_size=25),
    resumed=st.integers(0, 25),
)  # fmt: skip
def test_rows_come_back_later_however_a_stream_is_cut(
    h: int, cuts: list[int], resumed: int
) -> None:
    rows = np.arange(2.0 * sum(cuts)).reshape(-1, 2)
    before = np.full((1, 2), -1.0)
    expected = np.concatenate([np.repeat(before, h, axis=0), rows])
    delay, start = Delay(h, np.zeros((0, 2))), 0
    for i, count in enumerate(cuts):
        if i == resumed:
            kept, delay = delay.rows(), Delay(h, np.zeros((0, 2)))
            delay.load(kept)
        new = rows[start : start + count].copy()
        late = delay.later(new, before)
        np.testing.assert_array_equal(late, expected[start : start + count])
        start += count
        left = delay.rows()
        np.testing.assert_array_equal(left, rows[max(0, start - h) : start])
        np.testing.assert_array_equal(delay.newest(), left[-1:])
        left[...] = 7  # An array of its own.
        if late.flags.writeable and start > h:
            late[...] = 8
        before = np.full((1, 2), -1.0)


def test_the_bucket_of_a_value() -> None:
    buckets = Buckets(-3.25, 8.5, 12)
    edges = [buckets.minimum + i * buckets.width for i in range(-2, 15)]
    given = [*edges, np.nan, np.inf, -np.inf, 1e308, -1e308, 0.0, -0.0]
    values = np.array([*given, *np.random.default_rng(0).normal(2, 5, 200)])
    many = buckets.index(values)
    ones = [buckets.index(values[t : t + 1]) for t in range(len(values))]
    assert np.concatenate(ones).tobytes() == many.tobytes()
    assert (ones[0].dtype, ones[0].shape) == (np.int64, (1,))
    assert many[17] == -1
    assert many[:3].tolist() == [0, 0, 0]


@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("above", [False, True])
def test_ends_move_where_a_value_is_beyond_them(below: bool, above: bool) -> None:
    buckets = Buckets(0.0, 1.0, 8, below, above)
    for value in (-0.1, 0.0, 0.5, 1.0, 1.1, np.nan):
        moved = bool(buckets.toward(value)[1])
        assert moved == bool(buckets.beyond(np.array([value]))[0])
        assert moved == ((value < 0 and below) or (value > 1 and above))


@pytest.mark.parametrize("cuts", [[1] * 30, [7, 1, 1, 1, 9, 1, 10], [30], [1, 0, 29], [2] * 15])
def test_what_was_before_however_a_stream_is_cut(cuts: list[int]) -> None:
    random = np.random.default_rng(1)
    bits, reset = Bits.from_dense(random.random((30, 50)) < 0.2), np.zeros(30, np.uint8)
    past, start = Past(50, 4, (1, 5)), 0
    for count in cuts:
        piece, flags = bits.slice(start, start + count), reset[start : start + count]
        for h in (1, 5):
            before = past.before(piece, h)
            assert len(before) == count
            for t in range(count):
                at = start + t - h
                expected = bits.row(at) if at >= 0 else np.zeros(0, np.int32)
                np.testing.assert_array_equal(before.row(t), expected)
        past.remember(piece, past.ages(flags))
        start += count
        kept = past.state()
        last = bits.slice(max(0, start - 5), start)
        np.testing.assert_array_equal(kept["past_indices"], last.indices)
        np.testing.assert_array_equal(kept["past_offsets"], last.offsets)
        past.load(kept)
