"""The logarithmic encoder: places worked out in fractions, which have no rounding."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from htmrun.components.encoders import build_encoder
from htmrun.components.encoders.log import LogEncoderParameters
from htmrun.errors import UserError

PLACES = 9


def build(ranges=None, **settings):
    settings = {"size": PLACES + 3, "active": 3, **settings}
    return build_encoder(LogEncoderParameters(**settings), {"value": ()}, 0, ranges or {})


def starts(encoder, values):
    bits = encoder.encode({"value": np.array(values, float)})
    return [int(bits.row(t)[0]) if len(bits.row(t)) else None for t in range(len(bits))]


def test_a_factor_is_a_distance():
    # Nine places for three factors of ten: three each, whatever the value.
    assert starts(build(minimum=1, maximum=1000), [1, 10, 100, 1000]) == [0, 3, 6, 9]
    assert starts(build(minimum=0.001, maximum=1), [0.001, 0.01, 0.1, 1]) == [0, 3, 6, 9]


def test_half_a_place_goes_up():
    # Two places for a factor of 16: that of 2 is at 0.5, that of 8 at 1.5.
    encoder = build(size=5, minimum=1, maximum=16)
    assert starts(encoder, [1.9999999999999998, 2, 4, 7.999999999999999, 8, 16]) == [
        0, 1, 1, 1, 2, 2,
    ]  # fmt: skip
    assert [starts(encoder, [v])[0] for v in (1.9999999999999998, 2.0, 8.0)] == [0, 1, 2]


@given(
    st.floats(1e-6, 1e6), st.floats(1.001, 1e6), st.lists(st.floats(0, 1), min_size=1, max_size=8)
)
@example(1.0, 16.0, [0.25, 0.75])
def test_places_in_exact_fractions(low, factor, shares):
    high = low * factor
    values = [min(max(low * factor**share, low), high) for share in shares]
    encoder = build(minimum=low, maximum=high)
    whole = Fraction(high) / Fraction(low)
    for value, start in zip(values, starts(encoder, values), strict=True):
        # start >= k where ln(v / low) * places >= (k - 1/2) * ln(high / low).
        ratio = (Fraction(value) / Fraction(low)) ** (2 * PLACES)
        wanted = sum(ratio >= whole ** (2 * k - 1) for k in range(1, PLACES + 1))
        assert start == wanted
        assert starts(encoder, [value]) == [wanted]


def test_equal_ratios_share_equally_many_bits():
    encoder = build(size=421, active=21, minimum=1, maximum=1e4)
    for base in (1.7, 31.0, 2500.0):
        rows = encoder.encode({"value": base * np.array([1, 1.1, 1.5, 3.0])}).dense().astype(int)
        shared = rows @ rows[0]
        # 400 places for four factors of ten: ln(1.1) is 4.1 of them, ln(1.5) 17.6.
        for other, ratio in ((1, 1.1), (2, 1.5)):
            assert abs(shared[other] - (21 - 100 * math.log10(ratio))) <= 1
        assert shared[3] == 0


def test_what_has_no_logarithm():
    with pytest.raises(
        UserError, match=r"encoder\.not_positive: found the value 0 in field 'value'"
    ):
        starts(build(minimum=1, maximum=10), [2, 0])
    assert starts(build(minimum=1, maximum=10, not_positive="lowest"), [-4, 0, 1]) == [0, 0, 0]
    assert starts(build(minimum=1, maximum=10, not_positive="none"), [-4, 0, 10]) == [None, None, 9]
    assert starts(build(minimum=1, maximum=10, not_positive="none"), [-4]) == [None]


def test_what_lies_outside():
    assert starts(build(minimum=1, maximum=10), [0.5, 11]) == [0, 9]
    with pytest.raises(UserError, match=r"encoder\.clip: found the value 11, expected 1 to 10"):
        starts(build(minimum=1, maximum=10, clip=False), [11])


def test_the_range_of_the_data():
    assert starts(build({"value": (1.0, 1000.0)}), [10]) == [3]
    with pytest.raises(
        UserError, match=r"encoder\.minimum: field 'value' goes down to 0, expected"
    ):
        build({"value": (0.0, 5.0)})
    with pytest.raises(UserError, match=r"encoder\.minimum: field 'value' goes from 5 to 5"):
        build({"value": (5.0, 5.0)})
