"""What must hold for every spatial pooler backend, and that they are equal byte for byte."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from htmrun.backends import State, load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.cpu.common import numeric
from htmrun.backends.fixed_point import exp2, exp_f32
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.backends.rng import mix
from tests.helpers.devices import BACKENDS, OTHERS


def make(backend: str, shape: tuple[int, ...], seed: int = 5, **settings):
    return load_backend(backend).SpatialPooler(SpatialPoolerParameters(**settings), shape, seed)


def noise(samples: int, size: int, density: float, seed: int = 0) -> Bits:
    return Bits.from_dense(np.random.default_rng(seed).random((samples, size)) < density)


def flags(samples: int, seed: int) -> Plan:
    """Return commits and boosting points strewn at random."""
    random = np.random.default_rng(seed)
    commit, boost = (random.random((2, samples)) < 0.3).astype(np.uint8)
    return Plan(np.zeros(samples, np.uint8), commit, boost)


def assert_bits_equal(a: Bits, b: Bits) -> None:
    assert a.size == b.size
    np.testing.assert_array_equal(a.offsets, b.offsets)
    np.testing.assert_array_equal(a.indices, b.indices)


def assert_state_equal(a: State, b: State) -> None:
    assert set(a) == set(b)
    for name in a:
        assert a[name].dtype == b[name].dtype, name
        assert a[name].tobytes() == b[name].tobytes(), name


TOPOLOGIES = [
    ((41,), None),
    ((9, 7), None),
    ((70,), (33,)),
    ((10, 9), (8, 9)),
    ((3, 17), (5, 31)),
    ((4, 5, 6), (3, 5, 5)),
]


def drawn(seed: int) -> tuple[tuple[int, ...], dict]:
    """Return an input shape and settings drawn at random, local and global."""
    random = np.random.default_rng(seed)
    shape, grid = TOPOLOGIES[seed % len(TOPOLOGIES)]
    columns = math.prod(grid) if grid else int(random.integers(1, 700))
    settings: dict = {
        "columns": columns,
        "column_shape": grid,
        "potential_fraction": float(random.choice([0.3, 0.5, 1.0])),
        "stimulus_threshold": int(random.choice([1, 1, 2, 5])),
        "increment": float(random.choice([0.05, 0.3, 1.0])),
        "decrement": float(random.choice([0.008, 0.2, 1.0])),
        "boost_strength": float(random.choice([0.0, 3.0, 40.0])),
        "infer_boost": bool(random.integers(2)),
        "duty_period": int(random.choice([30, 100, 1000])),
        "weak_bump": float(random.choice([0.0, 0.01, 0.2])),
        "weak_fraction": float(random.choice([0.001, 0.5, 1.0])),
        "wrap": bool(random.integers(2)),
    }
    if grid and random.integers(3):
        settings |= {"inhibition": "local", "inhibition_radius": int(random.integers(1, 8))}
        settings["density"] = float(random.choice([0.01, 0.05, 0.3]))
    else:
        settings["winners"] = int(random.integers(1, max(2, columns // 5)))
    if grid and random.integers(2):
        settings["potential_radius"] = int(random.integers(1, 6))
    return shape, settings


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("seed", range(36))
def test_backends_are_equal_byte_for_byte(seed: int, other: str) -> None:
    shape, settings = drawn(seed)
    reference, cpu = (make(b, shape, seed, **settings) for b in ("reference", other))
    assert_state_equal(reference.state(), cpu.state())
    size = math.prod(shape)
    density = [0.02, 0.1, 0.3, 0.9][seed % 4]
    for part in range(3):
        bits = noise(25, size, density, seed + 100 * part)
        plan = [Plan.every(1, 25), Plan.every(7, 25), flags(25, seed)][(seed + part) % 3]
        np.testing.assert_array_equal(reference.overlaps(bits), cpu.overlaps(bits))
        assert_bits_equal(reference.run(bits, plan), cpu.run(bits, plan))
        assert_state_equal(reference.state(), cpu.state())
        assert_bits_equal(reference.compute(bits), cpu.compute(bits))


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("inputs", [300, 70_000])
def test_overlaps_of_many_inputs(inputs: int, other: str) -> None:
    """More on-bits than one byte, and than two, of an overlap can hold."""
    settings = {"columns": 20, "winners": 3, "potential_fraction": 1.0, "boost_strength": 2.0}
    names = "reference", other
    reference, cpu = (make(b, (inputs,), initial_connected=1.0, **settings) for b in names)
    bits = Bits.concatenate([noise(3, inputs, 0.97), noise(2, inputs, 0.001), noise(1, inputs, 1)])
    assert reference.overlaps(bits).max() == inputs
    np.testing.assert_array_equal(reference.overlaps(bits), cpu.overlaps(bits))
    assert_bits_equal(reference.run(bits, Plan.every(2, 6)), cpu.run(bits, Plan.every(2, 6)))
    assert_state_equal(reference.state(), cpu.state())


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize(("increment", "decrement"), [(1.0, 1.0), (0.0, 1.0), (1.0, 0.001)])
def test_large_windows_do_not_overflow(increment: float, decrement: float, other: str) -> None:
    settings = {"columns": 5, "winners": 2, "increment": increment, "decrement": decrement}
    reference, cpu = (make(b, (30,), **settings) for b in ("reference", other))
    bits, plan = noise(900, 30, 0.4), Plan.every(900, 900)
    reference.run(bits, plan)
    cpu.run(bits, plan)
    assert_state_equal(reference.state(), cpu.state())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(12))
def test_cuts_between_chunks_and_reloading_cannot_be_seen(backend: str, seed: int) -> None:
    shape, settings = drawn(seed)
    bits, plan = noise(30, math.prod(shape), 0.2, seed), flags(30, seed)
    whole = make(backend, shape, **settings)
    expected = whole.run(bits, plan)
    pieces, now = [], make(backend, shape, **settings)
    cuts = [0, *sorted(np.random.default_rng(seed).integers(0, 31, 4)), 30]
    for start, stop in pairwise(cuts):
        pieces.append(now.run(bits.slice(start, stop), plan.slice(start, stop)))
        saved, now = now.state(), make(backend, shape, seed=99, **settings)
        now.load(saved)
        assert_state_equal(saved, now.state())
    assert_bits_equal(Bits.concatenate(pieces), expected)
    assert_state_equal(now.state(), whole.state())


@pytest.mark.parametrize("backend", BACKENDS)
def test_order_inside_a_window_does_not_matter(backend: str) -> None:
    settings = {"columns": 60, "winners": 6, "boost_strength": 3.0, "weak_bump": 0.01}
    one, other = (make(backend, (50,), **settings) for _ in range(2))
    bits, plan = noise(20, 50, 0.3), Plan.every(10, 20)
    order = np.concatenate([np.random.default_rng(1).permutation(10), np.arange(10, 20)])
    one.run(bits, plan)
    other.run(Bits.from_rows(50, [bits.row(t) for t in order]), plan)
    assert_state_equal(one.state(), other.state())


@pytest.mark.parametrize("backend", BACKENDS)
def test_any_window_ends_alike_if_winners_are_forced_and_nothing_clips(backend: str) -> None:
    """As many winners as columns force them; steps too small to meet a bound or the threshold."""
    settings = {
        "columns": 20, "winners": 20, "increment": 0.0003, "decrement": 0.0002,
        "connected": 0.5, "initial_spread": 0.3, "initial_connected": 0.9,
    }  # fmt: skip
    bits = noise(60, 40, 0.7)
    states = []
    for n in (1, 7, 20, 60):
        pooler = make(backend, (40,), **settings)
        won = pooler.run(bits, Plan.every(n, 60))
        assert (won.counts() == 20).all()
        flush = np.ones(1, np.uint8)
        pooler.run(Bits.from_rows(40, [[0]]), Plan(flush * 0, flush, flush))
        states.append(pooler.state()["permanences"])
    for other in states[1:]:
        np.testing.assert_array_equal(states[0], other)


@pytest.mark.parametrize("backend", BACKENDS)
def test_inference_changes_nothing(backend: str) -> None:
    pooler = make(backend, (50,), columns=70, winners=5, boost_strength=2.0, weak_bump=0.01)
    pooler.run(noise(25, 50, 0.3), Plan.every(10, 25))
    before, bits = pooler.state(), noise(30, 50, 0.3, 1)
    first = pooler.compute(bits)
    pooler.overlaps(bits)
    assert_bits_equal(pooler.run(bits, Plan.every(3, 30), learn=False), first)
    assert_state_equal(before, pooler.state())
    untrained = make(backend, (50,), columns=70, winners=5, boost_strength=2.0, learn=False)
    before = untrained.state()
    untrained.run(bits, Plan.every(1, 30))
    assert_state_equal(before, untrained.state())


@pytest.mark.parametrize("backend", BACKENDS)
def test_seeds(backend: str) -> None:
    one, same, other = (make(backend, (50,), seed, columns=70, winners=5) for seed in (1, 1, 2))
    bits, plan = noise(25, 50, 0.3), Plan.every(2, 25)
    assert_bits_equal(one.run(bits, plan), same.run(bits, plan))
    assert_state_equal(one.state(), same.state())
    assert (one.state()["permanences"] != other.state()["permanences"]).any()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("boost_strength", [0.0, 2.0])
def test_exactly_k_lowest_of_equals(backend: str, boost_strength: float) -> None:
    pooler = make(backend, (10,), columns=650, winners=7, boost_strength=boost_strength)
    equal = np.full((650, 10), 5000, np.int16)
    equal[3] = 0
    pooler.load({**pooler.state(), "permanences": equal})
    won = pooler.compute(Bits.from_rows(10, [[1, 4], [], list(range(10))]))
    assert [list(won.row(t)) for t in range(3)] == [
        [0, 1, 2, 4, 5, 6, 7],
        [],
        [0, 1, 2, 4, 5, 6, 7],
    ]


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_handed_over_is_neither_kept_nor_changed(backend: str) -> None:
    pooler = make(backend, (50,), columns=70, winners=5)
    bits, plan = noise(5, 50, 0.3), Plan.every(9, 5)
    pooler.run(bits, plan)
    before = pooler.state()
    bits.indices[:] = 0
    for array in pooler.state().values():
        array[...] = 0
    assert_state_equal(before, pooler.state())


@pytest.mark.parametrize("backend", BACKENDS)
def test_misuse_is_refused(backend: str) -> None:
    pooler = make(backend, (50,), columns=70, winners=5, duty_period=10)
    with pytest.raises(ValueError, match="window of 11"):
        pooler.run(noise(11, 50, 0.3), Plan.every(11, 11))
    pooler.run(noise(8, 50, 0.3), Plan.every(20, 8))
    before = pooler.state()
    with pytest.raises(ValueError, match="window of 12"):
        pooler.run(noise(4, 50, 0.3), Plan.every(20, 4))
    assert_state_equal(before, pooler.state())
    with pytest.raises(ValueError, match="40 bits"):
        pooler.compute(noise(4, 40, 0.3))
    for name in before:
        with pytest.raises(ValueError, match=name):
            pooler.load({k: v for k, v in before.items() if k != name})
        with pytest.raises(ValueError, match=r"expected"):
            pooler.load({**before, name: before[name].astype(np.float64)})
    with pytest.raises(ValueError, match="shape"):
        pooler.load({**before, "permanences": before["permanences"].T})


def test_compiled_numbers_are_those_of_numpy() -> None:
    random = np.random.default_rng(0)
    words = random.integers(0, 2**64, 2000, np.uint64)
    assert [numeric.mix(w) for w in words] == mix(words).tolist()
    powers = np.concatenate([random.integers(-(110 << 24), 110 << 24, 2000), [0, 1, -1, 2**62]])
    got = np.array([numeric.exp2(a) for a in powers], np.float32)
    assert got.tobytes() == exp2(powers).tobytes()
    falls = np.float32([0, -1e-30, -1e30, *(-50 * random.random(2000))])
    got = np.array([numeric.exp_f32(x) for x in falls], np.float32)
    assert got.tobytes() == exp_f32(falls).tobytes()
