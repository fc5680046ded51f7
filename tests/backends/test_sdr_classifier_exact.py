"""The compiled SDR classifier ends with the reference's bits, however many classes make a row."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.backends import load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import SDRModelParameters
from htmrun.backends.plan import Plan

SIZE, SAMPLES = 130, 60
# Every way in which a row falls into steps, and both sides of each border.
CLASSES = (1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 24, 25, 31, 32, 33, 40, 41, 48, 64, 65, 100)


def both(classes: int, **settings: float):
    made = SDRModelParameters(learning_rate=0.3, **settings)
    return [load_backend(name).SDRClassifier(made, SIZE, classes) for name in ("cpu", "reference")]


def samples(rng: np.random.Generator) -> Bits:
    dense = rng.random((SAMPLES, SIZE)) < 0.15
    dense[7] = False
    return Bits.from_dense(dense)


def assert_alike(fast, plain) -> None:
    ours, theirs = fast.state(), plain.state()
    assert {n: v.tobytes() for n, v in ours.items()} == {n: v.tobytes() for n, v in theirs.items()}


@pytest.mark.parametrize("classes", CLASSES)
def test_windows_of_any_length_one_after_the_other(classes):
    rng = np.random.default_rng(classes)
    fast, plain = both(classes, decay_samples=50)
    # Windows that stay open between two calls, and such of one sample after them.
    for every in (1, 7, 64, 1, 3, 1):
        bits, other = samples(rng), samples(rng)
        targets = rng.integers(-1, classes, SAMPLES)
        plan = Plan.every(every, SAMPLES)
        for learned_from in (None, other):
            ours = fast.run(bits, targets, plan, learn_bits=learned_from)
            theirs = plain.run(bits, targets, plan, learn_bits=learned_from)
            assert ours.tobytes() == theirs.tobytes()
            assert_alike(fast, plain)
    assert fast.compute(bits).tobytes() == plain.compute(bits).tobytes()


def test_a_commit_after_each_sample_waits_for_what_a_loaded_window_holds():
    rng = np.random.default_rng(1)
    fast, plain = both(10)
    bits, targets = samples(rng), rng.integers(0, 10, SAMPLES)
    plain.run(bits, targets, Plan.every(SAMPLES + 5, SAMPLES))
    assert plain.state()["gradient"].any()
    fast.load(plain.state())
    for model in (fast, plain):
        model.run(bits, targets, Plan.every(1, SAMPLES))
    assert_alike(fast, plain)
    assert not fast.state()["gradient"].any()


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_bits_that_lie_apart_or_are_wider(kind):
    rng = np.random.default_rng(2)
    fast, plain = both(10)
    bits, targets = samples(rng), rng.integers(0, 10, SAMPLES)
    spread = np.repeat(bits.indices, 2).astype(kind)
    spread[1::2] = 0
    apart = Bits(SIZE, spread[::2], bits.offsets)
    plan = Plan.every(1, SAMPLES)
    assert fast.run(apart, targets, plan).tobytes() == plain.run(bits, targets, plan).tobytes()
    assert fast.compute(apart).tobytes() == plain.compute(bits).tobytes()
    assert_alike(fast, plain)
