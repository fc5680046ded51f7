"""What must hold for every spatial pooler, and that all give the same bytes."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.backends import State, load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.cpu.common import numeric
from htmrun.backends.fixed_point import exp2, exp_f32
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.backends.rng import mix
from htmrun.testing import PoolerChecks
from htmrun.testing.streams import assert_same
from tests.helpers.devices import BACKENDS, OTHERS


def make(backend: str, shape: tuple[int, ...], seed: int = 5, **settings):
    return load_backend(backend).SpatialPooler(SpatialPoolerParameters(**settings), shape, seed)


def noise(samples: int, size: int, density: float, seed: int = 0) -> Bits:
    return Bits.from_dense(np.random.default_rng(seed).random((samples, size)) < density)


def assert_bits_equal(a: Bits, b: Bits) -> None:
    assert_same({"bits": a}, {"bits": b})


def assert_state_equal(a: State, b: State) -> None:
    assert_same(a, b)


class TestReference(PoolerChecks):
    backend = "reference"
    pairs = range(1)


class TestCPU(PoolerChecks):
    backend = "cpu"


@pytest.mark.gpu
class TestCUDA(PoolerChecks):
    backend = "cuda"


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
def test_looking_at_overlaps_and_learn_false_change_nothing(backend: str) -> None:
    settings = {"columns": 70, "winners": 5, "boost_strength": 2.0, "weak_bump": 0.01}
    trained, frozen = (
        make(backend, (50,), **settings),
        make(backend, (50,), learn=False, **settings),
    )
    trained.run(noise(25, 50, 0.3), Plan.every(10, 25))
    for pooler in (trained, frozen):
        before = pooler.state()
        pooler.overlaps(noise(30, 50, 0.3, 1))
        frozen.run(noise(30, 50, 0.3, 1), Plan.every(1, 30))
        assert_state_equal(before, pooler.state())


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
