"""Scalar and RDSE encoders: bits worked by hand, and overlaps that follow distance."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.components.encoders import build_encoder
from htmrun.components.encoders.rdse import RDSEParameters
from htmrun.components.encoders.scalar import ScalarEncoderParameters
from htmrun.errors import UserError

SHAPES = {"value": ()}


def scalar(**settings):
    return build_encoder(ScalarEncoderParameters(**settings), SHAPES, 0, {"value": (0.0, 10.0)})


def rdse(seed=0, field="value", **settings):
    p = RDSEParameters(field=field, **settings)
    return build_encoder(p, {field: ()}, seed, {field: (0.0, 10.0)})


def rows(encoder, values, field="value"):
    bits = encoder.encode({field: np.array(values, float)})
    return [set(bits.row(t).tolist()) for t in range(len(bits))]


def test_scalar_blocks_by_hand():
    # 12 bits, 3 on: starts 0..9; range 0..10 puts 5 at floor(0.5 * 9 + 0.5) = 5.
    got = rows(scalar(size=12, active=3), [0, 10, 5, 1.0])
    assert got == [{0, 1, 2}, {9, 10, 11}, {5, 6, 7}, {1, 2, 3}]


def test_scalar_outside_values_clip_or_are_refused():
    assert rows(scalar(size=12, active=3), [-99, 99]) == [{0, 1, 2}, {9, 10, 11}]
    with pytest.raises(UserError, match=r"encoder\.clip: found the value 99, expected 0 to 10"):
        rows(scalar(size=12, active=3, clip=False), [3, 99])


def test_scalar_periodic_wraps():
    encoder = scalar(size=10, active=3, periodic=True)
    got = rows(encoder, [0, 10, 9, 9.49, 9.5, 9.99, 23, -1])
    last, first = {9, 0, 1}, {0, 1, 2}
    assert got == [first, first, last, last, first, first, {3, 4, 5}, last]


def test_scalar_periodic_starts_at_the_nearest_bit():
    # An angle: 5 of 36 bits, ten degrees each.
    encoder = scalar(size=36, active=5, periodic=True, minimum=0, maximum=360)
    for degrees, row in zip(range(-30, 400, 7), rows(encoder, range(-30, 400, 7)), strict=True):
        nearest = (degrees + 5) // 10
        assert row == {(nearest + i) % 36 for i in range(5)}, degrees


def test_scalar_overlap_falls_by_one_bit_per_step():
    encoder = scalar(size=111, active=11, minimum=0, maximum=100)
    reference, *others = rows(encoder, [50, *range(100)])
    for value, row in enumerate(others):
        assert len(row & reference) == max(0, 11 - abs(value - 50))


def test_scalar_takes_bounds_from_the_data_or_the_user():
    assert rows(scalar(size=12, active=3, minimum=5.0), [5, 10]) == [{0, 1, 2}, {9, 10, 11}]
    with pytest.raises(UserError, match=r"encoder\.minimum: field 'value' goes from 20 to 10"):
        scalar(minimum=20)
    with pytest.raises(UserError, match="expected a finite range"):
        scalar(minimum=-1e308, maximum=7e307)


def test_infinity_and_dates_are_refused():
    for encoder in (scalar(), rdse()):
        with pytest.raises(UserError, match="infinite"):
            encoder.encode({"value": np.array([np.inf])})
        with pytest.raises(UserError, match="kind date"):
            encoder.encode({"value": np.array(["2020-01-01"], "datetime64[s]")})


def _splitmix(z):
    """SplitMix64's finaliser in Python's own integers."""
    mask = 2**64 - 1
    z = (z + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def test_rdse_follows_its_stated_rule():
    import hashlib

    stream = int.from_bytes(hashlib.sha256(b"value").digest()[:8], "little")
    key = _splitmix(_splitmix(7) ^ 5)
    encoder = rdse(seed=7, size=100, active=9, resolution=0.5)
    values = [0.0, 0.24, 0.26, -3.1, 812.0]
    for value, row in zip(values, rows(encoder, values), strict=True):
        bucket = int(np.floor(value / 0.5 + 0.5))
        words = [_splitmix(_splitmix(key ^ stream) ^ ((bucket + j) % 2**64)) for j in range(9)]
        assert row == {((w >> 32) * 100) >> 32 for w in words}


def test_rdse_overlap_falls_with_distance():
    # So many bits that chance hardly matters: distance d leaves active - d.
    encoder = rdse(size=1 << 22, active=21, resolution=1.0)
    reference, *others = rows(encoder, [100, *range(70, 131)])
    for value, row in zip(range(70, 131), others, strict=True):
        assert abs(len(row & reference) - max(0, 21 - abs(value - 100))) <= 1


def test_rdse_collisions_stay_rare():
    counts = rdse(size=1000, active=21).encode({"value": np.linspace(0, 10, 1000)}).counts()
    assert counts.max() == 21
    # active^2 / (2 * size) = 0.22 on average; neighbours share words, so leave room.
    assert 20 < counts.mean() <= 21


def test_rdse_seed_and_field_decide_the_bits():
    values = np.linspace(0, 10, 50)
    first = rows(rdse(seed=1), values)
    for other in (
        rows(rdse(seed=2), values),
        rows(rdse(seed=1, field="other"), values, "other"),
    ):
        shared = np.mean([len(a & b) for a, b in zip(first, other, strict=True)])
        assert shared < 3  # by chance 21 * 21 / 1000


def test_rdse_is_the_same_whatever_was_encoded_before():
    random = np.random.default_rng(3)
    settings = {"resolution": 0.01, "size": 500, "active": 11}
    warm = rdse(**settings)
    # Small, growing, and too wide for the table; each must equal a fresh encoder's bits.
    for spread in (1, 20, 300, 1e6, 5):
        values = random.normal(0, spread, 200)
        assert rows(warm, values) == rows(rdse(**settings), values)
        assert rows(warm, values) == [rows(rdse(**settings), [v])[0] for v in values[:5]] + rows(
            warm, values[5:]
        )


def test_rdse_resolution_comes_from_range_and_buckets():
    encoder = rdse(buckets=5)
    assert encoder.resolution == 2.0
    same = rows(encoder, [3.0, 4.9, 5.0])
    assert same[0] == same[1] != same[2]
    with pytest.raises(UserError, match=r"encoder\.resolution: .* set resolution"):
        build_encoder(RDSEParameters(), SHAPES, 0, {"value": (4.0, 4.0)})
    with pytest.raises(UserError, match=r"encoder\.resolution: found null"):
        build_encoder(RDSEParameters(), SHAPES, 0)
    with pytest.raises(UserError, match="2\\^62 buckets"):
        rows(rdse(resolution=1e-9), [1e12])
