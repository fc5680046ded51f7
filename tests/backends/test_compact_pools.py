"""Packed rows of potential synapses: equal to the reference, whatever the pools look like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit

from htmrun.backends.bits import Bits
from htmrun.backends.cpu.pooler import compact, listed
from htmrun.backends.cpu.pooler.spatial_pooler import SpatialPooler as Compiled
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.backends.reference.spatial_pooler import SpatialPooler as Reference

CASES: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((200,), {"potential_fraction": 0.05}),
    ((200,), {"potential_fraction": 0.3, "boost_strength": 2.0}),
    ((130,), {"potential_fraction": 0.49}),
    ((330,), {"potential_fraction": 0.2, "weak_bump": 0.01, "weak_fraction": 0.5,
              "boost_strength": 1.0}),
    ((200,), {"potential_fraction": 0.3, "connected": 1e-7}),
    ((200,), {"potential_fraction": 0.3, "push": 0.01, "inflection": 0.0}),
    ((200,), {"potential_fraction": 0.3, "increment": 1.0, "decrement": 0.9}),
    ((18, 20), {"potential_radius": 3, "potential_fraction": 0.5, "wrap": False,
                "column_shape": (10, 7)}),
    ((512,), {"potential_fraction": 0.1, "increment": 0.3}),
    ((900,), {"potential_fraction": 0.1, "boost_strength": 2.0}),
    ((1024,), {"potential_fraction": 0.2, "push": 0.01, "inflection": 0.3}),
    ((4500,), {"potential_fraction": 0.96, "increment": 1.0, "decrement": 0.9}),
)  # fmt: skip


@pytest.fixture(autouse=True, params=["listed", "gathered"])
def always(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pack rows wherever that saves a word; list the input at each place, or gather words."""
    monkeypatch.setattr(compact, "SHARE", 0.99)
    if request.param == "gathered":
        monkeypatch.setattr(listed, "LISTED", 0)


def pooler(kind: Any, shape: tuple[int, ...], threads: int = 1, **given: Any) -> Any:
    parameters = SpatialPoolerParameters(columns=70, density=0.1, **given)
    return kind(parameters, shape, 3, threads) if threads > 1 else kind(parameters, shape, 3)


def stream(inputs: int, samples: int = 60) -> Bits:
    return Bits.from_dense(np.random.default_rng(1).random((samples, inputs)) < 0.2)


def same(a: Any, b: Any) -> None:
    ours, theirs = a.state(), b.state()
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


@pytest.mark.skipif(not compact.FAST, reason="this processor has no fast PEXT: rows stay whole")
@pytest.mark.parametrize("every", [1, 3, 17])
@pytest.mark.parametrize(("shape", "given"), CASES)
def test_packed_rows_equal_the_reference(
    shape: tuple[int, ...], given: dict[str, Any], every: int
) -> None:
    bits = stream(int(np.prod(shape)))
    plan = Plan.every(every, len(bits))
    slow, fast = pooler(Reference, shape, **given), pooler(Compiled, shape, **given)
    assert fast._memory.x.shape[1] < 64 * fast._memory.pool.shape[1]
    same(slow, fast)
    np.testing.assert_array_equal(slow.run(bits, plan).indices, fast.run(bits, plan).indices)
    same(slow, fast)
    np.testing.assert_array_equal(slow.overlaps(bits), fast.overlaps(bits))
    again = pooler(Compiled, shape, **given)
    again.load(fast.state())
    same(fast, again)
    np.testing.assert_array_equal(again.run(bits, plan).indices, slow.run(bits, plan).indices)
    same(slow, again)


@pytest.mark.skipif(not compact.FAST, reason="this processor has no fast PEXT: rows stay whole")
@pytest.mark.parametrize("boost", [0.0, 3.0])
def test_more_winners_than_are_changed_at_a_time(boost: float) -> None:
    parameters = SpatialPoolerParameters(
        columns=700, density=0.2, potential_fraction=0.3, boost_strength=boost, increment=0.03
    )
    slow, fast = Reference(parameters, (200,), 3), Compiled(parameters, (200,), 3)
    bits = stream(200, 20)
    plan = Plan.every(1, len(bits))
    np.testing.assert_array_equal(slow.run(bits, plan).indices, fast.run(bits, plan).indices)
    np.testing.assert_array_equal(slow.overlaps(bits), fast.overlaps(bits))
    same(slow, fast)


@pytest.mark.skipif(not compact.FAST, reason="this processor has no fast PEXT: rows stay whole")
def test_threads_share_windows_over_packed_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htmrun.backends.cpu.pooler.spatial_pooler._SHARED_FROM", 1)
    bits = stream(330, 200)
    given = {"potential_fraction": 0.2, "weak_bump": 0.01}
    slow, fast = pooler(Reference, (330,), **given), pooler(Compiled, (330,), 2, **given)
    for model in (slow, fast):
        model.run(bits, Plan.every(50, len(bits)))
    same(slow, fast)


def test_a_state_with_larger_pools_finds_room() -> None:
    full, small = pooler(Reference, (200,), potential_fraction=1.0), {"potential_fraction": 0.05}
    packed = pooler(Compiled, (200,), 2, **small)
    packed.load(full.state())
    same(full, packed)
    bits = stream(200)
    for model in (full, packed):
        model.run(bits, Plan.every(5, len(bits)))
    same(full, packed)


def test_gathering_and_scattering_bits_bit_by_bit() -> None:
    words = np.random.default_rng(0).integers(0, 2**64, (50, 2), dtype=np.uint64)
    edges = np.array([[0, 0], [2**64 - 1] * 2, [5, 2**63], [2**64 - 1, 2**63]], np.uint64)
    for value, mask in np.concatenate([words, edges]):
        places = [i for i in range(64) if int(mask) >> i & 1]
        gathered = sum((int(value) >> i & 1) << k for k, i in enumerate(places))
        scattered = sum((int(value) >> k & 1) << i for k, i in enumerate(places))
        for gather, scatter in (
            (compact.pext_plain, compact.pdep_plain),
            (_call(compact.pext), _call(compact.pdep)),
        ):
            assert int(gather(value, mask)) == gathered
            assert int(scatter(value, mask)) == scattered


def _call(function: Any) -> Any:
    return njit(lambda value, mask: function(value, mask))


@pytest.mark.parametrize("words", [8, 16])
@pytest.mark.parametrize("lanes", [64, 32])
def test_looking_up_bits_bit_by_bit(words: int, lanes: int) -> None:
    random = np.random.default_rng(0)
    row = random.integers(0, 2**64, words, dtype=np.uint64)
    inputs = random.integers(0, 64 * words, (3, lanes))
    inputs[0, :2] = 0, 64 * words - 1
    look = np.hstack([inputs >> 3, 1 << (inputs & 7)]).astype(np.uint8)
    look[:, -1] = 0  # no input
    second = 8 if words > 8 else 0
    name = "look_up" if lanes == 64 else "look_up_half"
    plain, chosen = getattr(listed, f"{name}_plain"), getattr(listed, name)
    fast = njit(lambda *given: chosen(*given))
    for c in range(3):
        wanted = sum(
            (int(row[int(i) >> 6]) >> (int(i) & 63) & 1) << b for b, i in enumerate(inputs[c, :-1])
        )
        assert int(plain(row, second, look, 2 * lanes * c)) == wanted
        assert int(fast(row, second, look, 2 * lanes * c)) == wanted


@pytest.mark.skipif(not listed.LOOKS_UP, reason="this processor looks no bytes up in registers")
def test_inputs_are_listed_where_two_registers_hold_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed, "LISTED", 1024)
    assert listed.lists(784, 2)
    assert listed.lists(1024, 3)
    assert not listed.lists(1025, 3)
    assert not listed.lists(784, 13)
    monkeypatch.setattr(listed, "LOOKS_UP", False)
    assert not listed.lists(784, 2)


def test_rows_are_packed_only_where_that_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(compact, "FAST", True)
    assert compact.words(784, 78) == 2
    assert compact.words(784, 392) == 13
    assert compact.words(64, 6) == 1
    assert compact.words(16384, 1638) == 26
    monkeypatch.setattr(compact, "FAST", False)
    assert compact.words(784, 78) == 13


@pytest.mark.skipif(not compact.FAST, reason="this processor has no fast PEXT: rows stay whole")
@pytest.mark.parametrize("samples", [1, 9])
def test_commits_with_rewards_over_packed_rows(samples: int) -> None:
    bits = stream(200)
    given = {"potential_fraction": 0.3, "boost_strength": 2.0}
    slow, fast = pooler(Reference, (200,), **given), pooler(Compiled, (200,), **given)
    reward = np.random.default_rng(2).integers(-1, 2, len(bits))
    for start in range(0, len(bits) - samples + 1, samples):
        piece = bits.slice(start, start + samples)
        for model in (slow, fast):
            winners = model.compute(piece)
            model.modulate(piece, winners, reward[start : start + samples], boost=True)
    same(slow, fast)
