"""The SDR classifier: both backends alike, and right against float64 softmax regression."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.backends import load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import SDRModelParameters
from htmrun.backends.plan import Plan
from htmrun.backends.state import state_hash
from tests.helpers.devices import BACKENDS, OTHERS


def data(samples: int, size: int, classes: int, seed: int = 0) -> tuple[Bits, np.ndarray]:
    rng = np.random.default_rng(seed)
    dense = rng.random((samples, size)) < 0.1
    dense[min(3, samples - 1)] = False
    return Bits.from_dense(dense), rng.integers(-1, classes, samples)


def softmax_regression(bits: Bits, targets: np.ndarray, plan: Plan, classes: int, rate: float):
    """Batch gradient steps in float64, written from the definition of cross-entropy."""
    x = bits.dense().astype(float)
    weights = np.zeros((bits.size, classes))
    predicted, window = [], []
    for t in range(len(bits)):
        z = x[t] @ weights
        p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        predicted.append(p)
        if targets[t] >= 0:
            window.append((x[t], np.eye(classes)[targets[t]] - p))
        if plan.commit[t]:
            for row, error in window:
                weights += rate * np.outer(row, error)
            window = []
    return np.array(predicted)


@pytest.mark.parametrize("every", [1, 7])
@pytest.mark.parametrize("backend", BACKENDS)
def test_follows_softmax_regression(backend, every):
    bits, targets = data(120, 90, 5)
    plan = Plan.every(every, 120)
    model = classifier(backend, 90, 5, learning_rate=0.3)
    got = model.run(bits, targets, plan)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, softmax_regression(bits, targets, plan, 5, 0.3), atol=2e-5)


def classifier(backend: str, size: int, classes: int, **settings: float):
    return load_backend(backend).SDRClassifier(SDRModelParameters(**settings), size, classes)


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("every", [1, 4, 1000])
def test_backends_agree_byte_for_byte(every, other):
    bits, targets = data(150, 70, 33)
    past, _ = data(150, 70, 33, seed=5)
    plan = Plan.every(every, 150)
    models = [classifier(b, 70, 33, learning_rate=0.7) for b in ("reference", other)]
    first, second = (m.run(bits, targets, plan, learn_bits=past) for m in models)
    assert first.tobytes() == second.tobytes()
    assert state_hash(models[0].state()) == state_hash(models[1].state())
    assert models[0].compute(past).tobytes() == models[1].compute(past).tobytes()


@pytest.mark.parametrize("backend", BACKENDS)
def test_cut_and_resumed_in_the_middle_of_a_window(backend):
    bits, targets = data(60, 40, 6)
    plan = Plan.every(8, 60)
    whole = classifier(backend, 40, 6)
    want = whole.run(bits, targets, plan)
    first = classifier(backend, 40, 6)
    head = first.run(bits.slice(0, 29), targets[:29], plan.slice(0, 29))
    second = classifier(backend, 40, 6)
    second.load(first.state())
    tail = second.run(bits.slice(29, 60), targets[29:], plan.slice(29, 60))
    assert np.concatenate([head, tail]).tobytes() == want.tobytes()
    assert state_hash(second.state()) == state_hash(whole.state())


@pytest.mark.parametrize("backend", BACKENDS)
def test_inference_and_frozen_learning_write_nothing(backend):
    bits, targets = data(30, 40, 6)
    model = classifier(backend, 40, 6)
    model.run(bits, targets, Plan.every(4, 30))
    before = state_hash(model.state())
    model.compute(bits)
    model.run(bits, targets, Plan.every(1, 30), learn=False)
    assert state_hash(model.state()) == before


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_state_of_another_shape_is_refused(backend):
    model = classifier(backend, 40, 6)
    other = classifier(backend, 40, 7)
    with pytest.raises(ValueError, match="weights"):
        model.load(other.state())
