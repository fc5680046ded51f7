"""The SDR classifier: all backends alike, and right against float64 softmax regression."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.backends import load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import SDRModelParameters
from htmrun.backends.plan import Plan
from htmrun.testing import ClassifierChecks
from tests.helpers.devices import BACKENDS


def data(samples: int, size: int, classes: int, seed: int = 0) -> tuple[Bits, np.ndarray]:
    rng = np.random.default_rng(seed)
    dense = rng.random((samples, size)) < 0.1
    dense[min(3, samples - 1)] = False
    return Bits.from_dense(dense), rng.integers(-1, classes, samples)


def softmax_regression(
    bits: Bits, targets: np.ndarray, plan: Plan, classes: int, rate: float, decay: float = np.inf
):
    """Batch gradient steps in float64, written from the definition of cross-entropy.

    The rate falls by half over `decay` targets, and on as 1 / n.
    """
    x = bits.dense().astype(float)
    weights = np.zeros((bits.size, classes))
    predicted, window, learned = [], [], 0
    for t in range(len(bits)):
        z = x[t] @ weights
        p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        predicted.append(p)
        if targets[t] >= 0:
            window.append((x[t], np.eye(classes)[targets[t]] - p))
            learned += 1
        if plan.commit[t]:
            for row, error in window:
                weights += rate / (1 + learned / decay) * np.outer(row, error)
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


@pytest.mark.parametrize("every", [1, 7])
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_rate_falls_with_what_was_learned(backend, every):
    bits, targets = data(120, 90, 5)
    plan = Plan.every(every, 120)
    model = classifier(backend, 90, 5, learning_rate=0.3, decay_samples=20)
    got = model.run(bits, targets, plan)
    wanted = softmax_regression(bits, targets, plan, 5, 0.3, decay=20)
    np.testing.assert_allclose(got, wanted, atol=2e-5)
    assert abs(wanted - softmax_regression(bits, targets, plan, 5, 0.3)).max() > 0.01
    assert model.state()["learned"] == (targets >= 0).sum()


def classifier(backend: str, size: int, classes: int, **settings: float):
    return load_backend(backend).SDRClassifier(SDRModelParameters(**settings), size, classes)


class TestReference(ClassifierChecks):
    backend = "reference"
    pairs = range(1)


class TestCPU(ClassifierChecks):
    backend = "cpu"


@pytest.mark.gpu
class TestCUDA(ClassifierChecks):
    backend = "cuda"
