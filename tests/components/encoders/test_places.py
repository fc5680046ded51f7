"""Coordinates and places on Earth: drawn as the rule says, and alike where they are near."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmrun.components.encoders import build_encoder
from htmrun.components.encoders.coordinate import CoordinateEncoderParameters
from htmrun.components.encoders.geospatial import GeospatialEncoderParameters, mercator
from htmrun.errors import UserError


def coordinate(seed=0, shapes=None, **settings):
    p = CoordinateEncoderParameters(**settings)
    return build_encoder(p, shapes or dict.fromkeys(p.fields, ()), seed)


def geospatial(shapes=None, **settings):
    p = GeospatialEncoderParameters(**settings)
    names = (p.longitude, p.latitude, p.altitude, p.speed)
    return build_encoder(p, shapes or {n: () for n in names if n}, 0)


def rows(encoder, *columns):
    arrays = dict(zip(encoder.fields, (np.array(c, float) for c in columns), strict=True))
    bits = encoder.encode(arrays)
    return [set(bits.row(t).tolist()) for t in range(len(bits))]


def _mixed(z):
    """SplitMix64's finaliser in Python's own integers."""
    mask = 2**64 - 1
    z = (z + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


@pytest.mark.parametrize("place", [(0,), (3, -2), (10**6, 5, -7)])
def test_coordinates_follow_the_stated_rule(place):
    names, radius, active, size, seed = "abc"[: len(place)], 2, 4, 97, 7
    encoder = coordinate(seed, fields=tuple(names), radius=radius, active=active, size=size)
    stream = int.from_bytes(hashlib.sha256("/".join(names).encode()).digest()[:8], "little")
    start = _mixed(_mixed(_mixed(seed) ^ 5) ^ stream)
    words = []
    for around in itertools.product(range(-radius, radius + 1), repeat=len(place)):
        word = start
        for here, step in zip(place, around, strict=True):
            word = _mixed(word ^ ((here + step) % 2**64))
        words.append(word)
    drawn = sorted(words)[:active]
    wanted = {((_mixed(word ^ 1) >> 32) * size) >> 32 for word in drawn}
    assert rows(encoder, *([value] for value in place)) == [wanted]


def test_near_coordinates_share_bits_and_far_ones_by_chance():
    # So many bits that chance hardly matters; means over 200 places.
    encoder = coordinate(size=1 << 22, active=25, radius=5)
    random = np.random.default_rng(1)
    x, y = random.integers(-1000, 1000, (2, 200))
    home = rows(encoder, x, y)
    shared = []
    for step in range(12):
        there = rows(encoder, x + step, y)
        shared.append(np.mean([len(a & b) for a, b in zip(home, there, strict=True)]))
    assert 24.9 < shared[0] <= 25
    assert all(near > far for near, far in itertools.pairwise(shared[:12]))
    # Of the cells around a place, those around its neighbour too are 10 of 11: about as many bits.
    assert 25 * 10 / 11 - 2 < shared[1] < 25 * 10 / 11
    assert shared[11] < 0.1  # 2 * 5 + 1 away no cell is around both.


def test_far_coordinates_share_what_chance_gives():
    encoder = coordinate(size=1000, active=21, radius=3)
    random = np.random.default_rng(2)
    x = random.integers(-(10**6), 10**6, (4, 400))
    shared = [len(a & b) for a, b in zip(rows(encoder, *x[:2]), rows(encoder, *x[2:]), strict=True)]
    assert abs(np.mean(shared) - 21 * 21 / 1000) < 0.1


def test_a_wider_radius_reaches_farther():
    for radius, reaches in ((2, False), (8, True)):
        encoder = coordinate(size=1 << 20, active=20, radius=radius)
        x = np.arange(0, 5000, 50.0)
        pairs = zip(rows(encoder, x, x), rows(encoder, x + 6, x), strict=True)
        assert (np.mean([len(a & b) for a, b in pairs]) > 3) == reaches


@given(st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), min_size=1, max_size=8))
def test_a_cell_has_the_bits_of_its_corner(places):
    encoder = coordinate(scale=2.5)
    x, y = np.array(places).T
    corner = np.floor(x / 2.5) * 2.5, np.floor(y / 2.5) * 2.5
    whole = coordinate()
    assert rows(encoder, x, y) == rows(whole, corner[0] / 2.5, corner[1] / 2.5)


def test_coordinates_with_a_missing_part_have_no_bits():
    got = rows(coordinate(), [1, np.nan, 1], [2, 2, np.nan])
    assert len(got[0]) > 15
    assert got[1:] == [set(), set()]


def test_the_map_is_that_of_the_web():
    # EPSG:3857: half the equator, and the latitude at which its map of the world is a square.
    x, y = mercator(np.array([180.0, -90.0, 0.0]), np.array([85.0511287798066, 0.0, -45.0]))
    np.testing.assert_allclose(x, [20037508.342789244, -10018754.171394622, 0.0], rtol=1e-15)
    np.testing.assert_allclose(y, [20037508.342789244, 0.0, -5621521.486192066], rtol=1e-12)


def test_metres_on_the_map():
    encoder = geospatial(scale=10.0)
    degree = 180 / 20037508.342789244  # A metre at the equator.
    here, there, away = rows(encoder, np.array([1.0, 9.0, 11.0]) * degree, np.full(3, 5 * degree))
    assert here == there != away
    assert len(here & away) > 8


def test_a_third_dimension():
    encoder = geospatial(altitude="height")
    low, same, high = rows(encoder, [8, 8, 8], [50, 50, 50], [3, 9, 90])
    assert low == same
    assert len(low & high) < 8


def test_the_radius_grows_with_speed():
    encoder = geospatial(speed="speed", radius=2, scale=10.0, overlap=0.5, sample_seconds=2.0)
    # 30 m/s in 2 s are 6 cells; 2 r + 1 must be 12 at least, so r is 6.
    speed = np.array([0, 4, 12.5, 12.6, 30, -30, 32.5])
    assert encoder._radius(speed).tolist()[3:] == [3, 6, 6, 6]
    assert np.maximum(encoder._radius(speed), 2).tolist()[:3] == [2, 2, 2]
    fixed = geospatial(radius=6, scale=10.0)
    assert rows(encoder, [1], [1], [30]) == rows(fixed, [1], [1])


@given(st.floats(0.5, 25), st.sampled_from([0.0, 0.25, 0.5, 0.75]))
def test_a_way_leaves_the_share_of_cells_that_was_asked_for(cells, overlap):
    encoder = geospatial(speed="speed", scale=1.0, overlap=overlap, radius=2)
    radius = max(2, int(encoder._radius(np.array([cells]))[0]))
    here = set(range(-radius, radius + 1))
    there = {place + cells for place in here}  # In one dimension, along the way.
    width = 2 * radius + 1
    assert (width - cells) / width >= overlap - 1e-9
    assert len(there) == len(here)


def test_what_cannot_be():
    with pytest.raises(
        UserError, match=r"encoder\.radius: found 1, which makes 9 cells in 2 .* 21"
    ):
        coordinate(radius=1)
    with pytest.raises(UserError, match=r"encoder\.radius: found 300, .* at most 262,144"):
        coordinate(radius=300)
    with pytest.raises(UserError, match=r"encoder\.fields: the data has no field 'y', .* x, yy"):
        coordinate(shapes={"x": (), "yy": ()})
    with pytest.raises(UserError, match=r"encoder\.fields: found the field 'x' twice"):
        coordinate(fields=("x", "x"))
    with pytest.raises(UserError, match=r"encoder\.fields: field 'x' holds grids"):
        coordinate(shapes={"x": (2, 2), "y": ()})
    with pytest.raises(UserError, match=r"encoder: found 91 in field 'latitude', expected degrees"):
        rows(geospatial(), [0], [91])
    with pytest.raises(UserError, match=r"encoder\.scale: found 10 m, and a speed of 1e\+06 m/s"):
        rows(geospatial(speed="speed"), [0], [0], [1e6])


def test_several_fields_inside_fields():
    from htmrun.components.encoders.combined import CombinedEncoder, FieldsEncoderParameters

    p = FieldsEncoderParameters.model_validate(
        {"fields": {
            "place": {"kind": "coordinate", "size": 500},
            "height": {"kind": "rdse", "resolution": 1.0},
            "globe": {"kind": "geospatial", "optional": True},
        }}
    )  # fmt: skip
    shapes = dict.fromkeys(("x", "y", "height"), ())
    encoder = build_encoder(p, shapes, 0)
    assert encoder.fields == ("x", "y", "height")
    assert encoder.left_out == ("globe",)
    assert encoder.size == 1500
    reads = [*CombinedEncoder.reads(p)]
    assert reads[:3] == [
        ("fields.place", "x", False), ("fields.place", "y", False),
        ("fields.height", "height", False),
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"encoder\.fields\.place: the data has no field 'y'"):
        build_encoder(p, {"x": (), "height": ()}, 0)
