"""The reference spatial pooler against docs/math.md, worked out here in plain Python."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from htmrun.backends import State, fixed_point, load_backend, rng, topology
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.backends.reference import SpatialPooler
from htmrun.errors import UserError


def pooler(inputs: int = 8, seed: int = 1, **settings) -> SpatialPooler:
    return SpatialPooler(SpatialPoolerParameters(**settings), (inputs,), seed)


def with_permanences(sp: SpatialPooler, rows: list[list[int]]) -> SpatialPooler:
    sp.load({**sp.state(), "permanences": np.array(rows, np.int16)})
    return sp


def one(sp: SpatialPooler, *samples: list[int]) -> Bits:
    return Bits.from_rows(sp.inputs, samples)


def test_pool_and_initial_permanences_follow_the_hash() -> None:
    sp = pooler(40, seed=9, columns=6, winners=1, potential_fraction=0.3, initial_connected=0.4)
    got = sp.state()["permanences"]

    def word(purpose: int, c: int, i: int) -> int:
        def mix(z: int) -> int:
            z = (z + 0x9E3779B97F4A7C15) % 2**64
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
            return z ^ (z >> 31)

        return mix(mix(mix(mix(9) ^ purpose) ^ c) ^ i)

    for c in range(6):
        pool = sorted(range(40), key=lambda i: (word(rng.Purpose.SP_POOL, c, i), i))[:12]
        for i in range(40):
            w = word(rng.Purpose.SP_PERMANENCE, c, i)
            high, low = w >> 32, w % 2**32
            if high < math.floor(0.4 * 2**32):
                expected = 1000 + (low * 1001 >> 32)
            else:
                expected = 999 - (low * 1000 >> 32)
            assert got[c, i] == (min(max(expected, 0), 10000) if i in pool else -1)


def test_pool_size_is_rounded_half_up_and_never_nothing() -> None:
    sp = pooler(5, columns=4, winners=1, potential_fraction=0.5)
    assert ((sp.state()["permanences"] >= 0).sum(1) == 3).all()
    with pytest.raises(UserError, match="pool of 0"):
        pooler(5, columns=4, winners=1, potential_fraction=0.05)


def test_reach_in_two_dimensions_wraps_or_is_cut() -> None:
    # 2 x 3 columns over 4 x 6 inputs: centres at rows 1, 3 and columns 1, 3, 5.
    for wrap in (True, False):
        p = SpatialPoolerParameters(
            columns=6, column_shape=(2, 3), winners=1, potential_radius=1,
            potential_fraction=1.0, wrap=wrap,
        )  # fmt: skip
        got = SpatialPooler(p, (4, 6), 1).state()["permanences"] >= 0
        for c, (y, x) in enumerate(product((1, 3), (1, 3, 5))):
            near = {(y + dy, x + dx) for dy, dx in product((-1, 0, 1), repeat=2)}
            if wrap:
                near = {(a % 4, b % 6) for a, b in near}
            else:
                near = {(a, b) for a, b in near if a < 4 and b < 6}
            assert set(np.flatnonzero(got[c])) == {a * 6 + b for a, b in near}


def test_missing_leading_dimensions_count_as_one() -> None:
    p = SpatialPoolerParameters(
        columns=4, column_shape=(4,), winners=1, potential_radius=1, potential_fraction=1.0
    )
    reached = SpatialPooler(p, (1, 8), 1).state()["permanences"] >= 0
    assert [list(np.flatnonzero(r)) for r in reached] == [
        [0, 1, 2],
        [2, 3, 4],
        [4, 5, 6],
        [0, 6, 7],
    ]


@pytest.mark.parametrize("wrap", [True, False])
@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 4, 3)])
def test_neighbourhoods_by_distance(shape: tuple[int, ...], wrap: bool) -> None:
    for radius in (1, 2, 4):
        indices, offsets = topology.neighbourhoods(shape, radius, wrap)
        places = list(product(*map(range, shape)))
        for c, a in enumerate(places):
            near = []
            for d, b in enumerate(places):
                steps = [abs(x - y) for x, y in zip(a, b, strict=True)]
                if wrap:
                    steps = [min(s, n - s) for s, n in zip(steps, shape, strict=True)]
                if max(steps) <= radius:
                    near.append(d)
            assert list(indices[offsets[c] : offsets[c + 1]]) == near


def test_ties_go_to_the_lowest_columns_and_winners_are_exactly_k() -> None:
    sp = with_permanences(pooler(4, columns=10, winners=3), [[5000] * 4] * 10)
    assert list(sp.compute(one(sp, [0, 2])).row(0)) == [0, 1, 2]
    rows = [[5000] * 4] * 10
    rows[7] = [5000, 5000, 5000, 0]
    sp = with_permanences(pooler(4, columns=10, winners=3), rows)
    assert list(sp.compute(one(sp, [3])).row(0)) == [0, 1, 2]
    rows[0] = [0] * 4
    sp = with_permanences(pooler(4, columns=10, winners=3), rows)
    assert list(sp.compute(one(sp, [3])).row(0)) == [1, 2, 3]


def test_stimulus_threshold_leaves_fewer_winners() -> None:
    rows = [[5000, 0, 0], [5000, 5000, 0], [5000, 5000, 5000], [999, 999, 999]]
    for threshold, winners in ((1, [0, 1, 2]), (2, [1, 2]), (3, [2]), (4, [])):
        sp = pooler(3, columns=4, winners=3, stimulus_threshold=threshold)
        with_permanences(sp, rows)
        assert list(sp.compute(one(sp, [0, 1, 2])).row(0)) == winners


def test_no_input_no_winners() -> None:
    sp = pooler(8, columns=4, winners=2)
    before = sp.state()
    won = sp.run(one(sp, []), Plan.every(1, 1))
    assert list(won.offsets) == [0, 0]
    assert (sp.state()["permanences"] == before["permanences"]).all()


def test_a_step_moves_only_winners_within_bounds() -> None:
    rows = [[9900, 30, 5000, -1], [0, 0, 0, 0]]
    sp = with_permanences(pooler(4, columns=2, winners=1, increment=0.02, decrement=0.01), rows)
    won = sp.run(one(sp, [0, 3]), Plan.every(1, 1))
    assert list(won.row(0)) == [0]
    assert sp.state()["permanences"].tolist() == [[10000, 0, 4900, -1], [0, 0, 0, 0]]


def test_a_window_adds_up_and_clips_once() -> None:
    # on, off, off: +200 - 100 - 100 = 0 in sum, but 9900 would clip on the way up.
    sp = pooler(4, columns=1, winners=1, increment=0.02, decrement=0.01)
    with_permanences(sp, [[9900, 50, 5000, 9000]])
    sp.run(one(sp, [0, 3], [3], [2, 3]), Plan.every(3, 3))
    assert sp.state()["permanences"].tolist() == [[9900, 0, 5000, 9600]]


def test_duty_cycles_and_boost_are_those_of_the_paper() -> None:
    sp = pooler(4, columns=4, winners=1, boost_strength=3.0, duty_period=10)
    with_permanences(sp, [[5000] * 4, [0] * 4, [0] * 4, [0] * 4])
    sp.run(one(sp, [0], [1]), Plan.every(2, 2))
    state = sp.state()
    assert list(state["active_duty"]) == [2 * (2**30 // 10), 0, 0, 0]
    duty = state["active_duty"] / 2**30
    assert state["boost"] == pytest.approx(np.exp(3.0 * (0.25 - duty)), rel=1e-5)
    sp.run(one(sp, [0]), Plan.every(1, 1))
    d = 2 * (2**30 // 10)
    expected = d - (d * (2**32 // 10) >> 32) + 2**30 // 10
    assert sp.state()["active_duty"][0] == expected


def test_boost_lets_a_neglected_column_win() -> None:
    sp = pooler(4, columns=2, winners=1, boost_strength=10.0, duty_period=10)
    with_permanences(sp, [[9000] * 4, [9000, 9000, 9000, 0]])
    won = sp.run(one(sp, *[[0, 1, 2, 3]] * 10), Plan.every(1, 10))
    assert list(won.row(0)) == [0]
    assert {1} in [set(won.row(t)) for t in range(10)]
    plain = pooler(4, columns=2, winners=1, boost_strength=10.0, infer_boost=False)
    plain.load(sp.state())
    assert list(plain.compute(one(plain, [0, 1, 2, 3])).row(0)) == [0]


def test_boost_flag_alone_recomputes() -> None:
    sp = pooler(4, columns=2, winners=1, boost_strength=3.0)
    sp.run(one(sp, [0, 1]), Plan.every(1, 1, boost=False))
    assert (sp.state()["boost"] == 1).all()
    flags = np.zeros(1, np.uint8)
    sp.run(one(sp, []), Plan(flags, flags, np.ones(1, np.uint8)))
    assert not (sp.state()["boost"] == 1).all()
    assert len(sp.state()["pending_input_offsets"]) == 2


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_winners_chosen_at_the_commit_are_those_that_were_inferred(backend: str) -> None:
    """State stands still within a window, so the time of the choice cannot matter."""
    p = SpatialPoolerParameters(columns=60, winners=6, boost_strength=8.0, duty_period=20,
                                increment=0.3, decrement=0.2)  # fmt: skip
    sp = load_backend(backend).SpatialPooler(p, (30,), 2)
    bits = Bits.from_dense(np.random.default_rng(0).random((24, 30)) < 0.3)
    empty = {name: array for name, array in sp.state().items() if name.startswith("pending")}
    differs = 0
    for start in range(0, 24, 8):
        window = bits.slice(start, start + 8)
        flags = np.zeros(8, np.uint8)
        inferred = sp.run(window, Plan(flags, flags, flags))
        assert sp.state()["pending_winners"].tolist() == inferred.indices.tolist()
        assert sp.compute(window).indices.tolist() == inferred.indices.tolist()
        sp.load({**sp.state(), **empty})
        sp.run(window, Plan.every(8, 8))
        differs += sp.compute(window).indices.tolist() != inferred.indices.tolist()
    assert differs > 0  # after the commit others would win


def test_winners_are_pushed_away_from_the_inflection() -> None:
    # Steps first: 4000 + 500 and 4499 + 500 lie above .45 then, what is off loses 80 and below.
    rows = [[4000, 4499, 4579, 4580, 9990, 100, -1], [500] * 7]
    sp = pooler(7, columns=2, winners=1, push=0.02, inflection=0.45)
    with_permanences(sp, rows)
    flags = np.ones(1, np.uint8)
    sp.run(one(sp, [0, 1, 4, 6]), Plan(flags * 0, flags, flags * 0))
    learned = [4700, 5199, 4299, 4700, 10000, 0, -1]
    assert sp.state()["permanences"].tolist() == [learned, rows[1]]


def test_a_window_pushes_once_for_each_win_by_where_it_ends() -> None:
    sp = pooler(3, columns=2, winners=1, push=0.02, inflection=0.45, increment=0.03, decrement=0.01)
    with_permanences(sp, [[4400, 4400, 4400], [-1, -1, -1]])
    plan = Plan.every(3, 3)
    sp.run(one(sp, [0, 1], [0], [0, 1]), plan)
    # 4400 + 900, 4400 + 600 - 100, 4400 - 300; then three times 200.
    assert sp.state()["permanences"][0].tolist() == [5900, 5500, 3500]


def test_weak_columns_are_bumped() -> None:
    rows = [[5000, 5000], [500, -1], [9995, 900]]
    sp = pooler(2, columns=3, winners=1, weak_bump=0.01, weak_fraction=0.5, duty_period=4)
    with_permanences(sp, rows)
    flags = np.ones(2, np.uint8)
    sp.run(one(sp, [1], [1]), Plan(flags * 0, flags, flags))
    state = sp.state()
    # The minimum is neutral until the first boosting point: one bump in two commits, and
    # column 0 learned twice from input 1 being on.
    assert state["permanences"].tolist() == [[4840, 6000], [600, -1], [10000, 1000]]
    quarter = 2**28
    duty = quarter - (quarter * (2**32 // 4) >> 32) + quarter
    assert list(state["overlap_duty"]) == [duty, 0, 0]
    assert list(state["min_overlap_duty"]) == [duty * 32768 >> 16] * 3


@pytest.mark.parametrize("wrap", [True, False])
def test_local_winners_by_counting_who_beats_whom(wrap: bool) -> None:
    shape, radius, density = (5, 6), 2, 0.1
    p = SpatialPoolerParameters(
        columns=30, column_shape=shape, inhibition="local", inhibition_radius=radius,
        density=density, wrap=wrap, stimulus_threshold=2,
    )  # fmt: skip
    sp = SpatialPooler(p, (12,), 4)
    places = list(product(range(5), range(6)))
    random = np.random.default_rng(0)
    for _ in range(20):
        on = np.flatnonzero(random.random(12) < 0.5)
        overlap = (sp.state()["permanences"][:, on] >= 1000).sum(1)
        expected: list[int] = []
        for c, a in enumerate(places):
            size = beaten = 0
            for d, b in enumerate(places):
                gap = [abs(x - y) for x, y in zip(a, b, strict=True)]
                if wrap:
                    gap = [min(g, n - g) for g, n in zip(gap, shape, strict=True)]
                if max(gap) > radius:
                    continue
                size += 1
                beaten += overlap[d] >= 2 and overlap[d] > overlap[c]
                beaten += overlap[d] == overlap[c] and d in expected
            if overlap[c] >= 2 and beaten < max(1, math.floor(density * size + 0.5)):
                expected.append(c)
        assert list(sp.compute(one(sp, on)).row(0)) == expected


def test_a_neighbour_that_loses_keeps_nobody_from_winning() -> None:
    p = SpatialPoolerParameters(
        columns=9, column_shape=(9,), inhibition="local", inhibition_radius=1, wrap=False,
        potential_fraction=1.0, initial_connected=1.0,
    )  # fmt: skip
    sp = SpatialPooler(p, (4,), 4)
    # All are equal: every second one wins, where only the first did once.
    assert list(sp.compute(one(sp, [1, 2])).row(0)) == [0, 2, 4, 6, 8]
    # One is better: it wins, its neighbours lose, the others go on as before.
    permanences = sp.state()["permanences"]
    permanences[:, 3] = -1
    permanences[3, 3] = 5000
    sp.load({**sp.state(), "permanences": permanences})
    assert list(sp.compute(one(sp, [1, 3])).row(0)) == [0, 3, 5, 7]


def boosted_columns(active: list[int], overlap: list[int], **settings: Any) -> State:
    """Return the state after a boosting point, from duty cycles in units of 10^7."""
    p = SpatialPoolerParameters(
        columns=6, column_shape=(2, 3), boost_strength=2.0, wrap=False, weak_bump=0.01,
        weak_fraction=0.5, winners=2, boost_scope="local", boost_radius=1, **settings,
    )  # fmt: skip
    sp = SpatialPooler(p, (4,), 4)
    duties = (np.array(d, np.uint32) * np.uint32(10**7) for d in (active, overlap))
    sp.load({**sp.state(), **dict(zip(("active_duty", "overlap_duty"), duties, strict=True))})
    none = np.zeros(1, np.uint8)
    sp.run(one(sp, []), Plan(none, none, none + 1))
    return sp.state()


def test_local_boost_beside_global_inhibition() -> None:
    active = [9, 0, 3, 5, 1, 6]
    state = boosted_columns(active, [4, 1, 7, 2, 6, 0])
    # Of 2 x 3 that do not wrap: the middle ones see all, the others the four at their side.
    left, all_six, right = (9 + 0 + 5 + 1) / 4, sum(active) / 6, (0 + 3 + 1 + 6) / 4
    means = [left, all_six, right] * 2
    expected = [math.exp(2 * (m - a) * 10**7 / 2**30) for m, a in zip(means, active, strict=True)]
    assert state["boost"] == pytest.approx(expected, rel=1e-5)
    highest = [6, 7, 7] * 2
    assert list(state["min_overlap_duty"]) == [h * 10**7 * 32768 >> 16 for h in highest]


def test_neighbours_share_a_byte_of_their_duty_cycles() -> None:
    active = [9, 0, 3, 5, 1, 6]
    state = boosted_columns(active, [4, 1, 7, 2, 6, 0], boost_bits=8)
    step = 2**22
    seen = [math.floor(a * 10**7 / step + 0.5) * step for a in active]
    means = [(seen[0] + seen[1] + seen[3] + seen[4]) / 4, sum(seen) / 6]
    means += [(seen[1] + seen[2] + seen[4] + seen[5]) / 4]
    expected = [
        math.exp(2 * (m - a * 10**7) / 2**30) for m, a in zip(means * 2, active, strict=True)
    ]
    assert state["boost"] == pytest.approx(expected, rel=1e-5)
    highest = [math.floor(h * 10**7 / step + 0.5) * step for h in [6, 7, 7]]
    assert list(state["min_overlap_duty"]) == [h * 32768 >> 16 for h in highest * 2]


def test_a_byte_holds_no_duty_cycle_of_one() -> None:
    assert fixed_point.shared_duty(np.array([2**30, 2**21 - 1, 2**21]), 8).tolist() == [
        255 << 22, 0, 1 << 22,
    ]  # fmt: skip


def test_global_boost_beside_local_inhibition() -> None:
    p = SpatialPoolerParameters(
        columns=10, column_shape=(10,), inhibition="local", inhibition_radius=2, density=0.3,
        boost_strength=2.0, boost_scope="global",
    )  # fmt: skip
    sp = SpatialPooler(p, (4,), 4)
    active = np.arange(10, dtype=np.uint32) * np.uint32(10**7)
    sp.load({**sp.state(), "active_duty": active})
    none = np.zeros(1, np.uint8)
    sp.run(one(sp, []), Plan(none, none, none + 1))
    expected = [math.exp(2 * (0.3 - a * 10**7 / 2**30)) for a in range(10)]
    assert sp.state()["boost"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"boost_radius": 1}, "boost_radius: found 1 where boosting is global, expected null"),
        ({"boost_bits": 8}, "boost_bits: found 8 where boosting is global, expected 30"),
        ({"boost_scope": "local", "boost_radius": 1}, "boost_scope: 'local' needs column_shape"),
        ({"boost_scope": "local", "column_shape": (32, 64)}, "boost_radius: found null with glob"),
    ],
)
def test_local_boosting_needs_neighbours(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SpatialPoolerParameters(**settings)


def test_local_boost_targets_the_mean_of_the_neighbourhood() -> None:
    p = SpatialPoolerParameters(
        columns=5, column_shape=(5,), inhibition="local", inhibition_radius=1, density=0.3,
        boost_strength=2.0, wrap=False, weak_bump=0.01, weak_fraction=0.5,
    )  # fmt: skip
    sp = SpatialPooler(p, (4,), 4)
    active = np.array([9, 0, 3, 5, 1], np.uint32) * 10**7
    overlap = np.array([4, 1, 7, 2, 6], np.uint32) * 10**7
    sp.load({**sp.state(), "active_duty": active, "overlap_duty": overlap})
    none = np.zeros(1, np.uint8)
    sp.run(one(sp, []), Plan(none, none, none + 1))
    means = [4.5, 4, 8 / 3, 3, 3]
    expected = [
        math.exp(2 * (m * 10**7 - a) / 2**30) for m, a in zip(means, active.tolist(), strict=True)
    ]
    assert sp.state()["boost"] == pytest.approx(expected, rel=1e-5)
    highest = [4, 7, 7, 7, 6]
    assert list(sp.state()["min_overlap_duty"]) == [h * 10**7 * 32768 >> 16 for h in highest]
