"""The multilayer perceptron, against the same written out in NumPy, and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from htmrun.backends import load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.plan import Plan
from htmrun.components.classifiers import Targets
from htmrun.components.classifiers.buckets import Buckets
from htmrun.components.classifiers.horizons import ages
from htmrun.components.classifiers.mlp import BitNetwork, MLPParameters, MLPReadout
from htmrun.components.networks.network import Network
from htmrun.components.networks.widening import merge
from htmrun.testing import ReadoutChecks
from htmrun.testing.streams import random_stream

SIZE, CLASSES = 30, 4
CREDITS = ("backprop", "feedback_alignment", "direct_feedback")


def network(classes: int = CLASSES, size: int = SIZE, seed: int = 1, **fields: Any) -> Network:
    return Network(
        MLPParameters(**fields).network(), (size,), classes, seed, load_backend("cpu"),
        samples=100, per_epoch=100, white=None,
    )  # fmt: skip


def readout(horizons: Any, size: int, seed: int = 1, **more: Any) -> MLPReadout:
    fields = {name: more.pop(name) for name in ("credit", "depth", "optimizer") if name in more}
    targets = Targets(more.pop("classes", CLASSES), horizons, **more)
    return MLPReadout(
        targets, ("x", "y"), size,
        lambda: BitNetwork(
            network(targets.classes, size, seed, units=8, learning_rate=0.05, **fields)
        ),
        name="classifier", learn=True,
    )  # fmt: skip


def rounded(said: dict[str, Any]) -> dict[str, Any]:
    """Last digits depend on how many samples a network sees at once; what it learns does not."""
    return {n: a if a.dtype == np.bool_ else a.round(3) for n, a in said.items()}


class TestMLP(ReadoutChecks):
    inputs = (("x", 40), ("y", 20))
    seeded = True

    def run(self, model: Any, stream: Any, learn: bool = True) -> Any:
        return rounded(super().run(model, stream, learn))

    def compute(self, model: Any, stream: Any) -> Any:
        return rounded(super().compute(model, stream))

    def make(self, case: int, seed: int = 1) -> MLPReadout:
        horizons, depth = [(0,), (0, 1, 5), (3,)][case], [1, 2, 0][case]
        return readout(horizons, 60, seed, credit=CREDITS[case], depth=depth)


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True))


@pytest.mark.parametrize("credit", CREDITS)
@pytest.mark.parametrize("every", [1, 7])
def test_it_learns_as_gradients_written_out_do(credit: Any, every: int) -> None:
    """One hidden layer, plain steps on a window's mean: the rules of Rumelhart, Hinton, Williams
    1986, Lillicrap et al. 2016 and Nokland 2016 in NumPy.
    """
    rate, samples = 0.3, 63
    given = network(units=9, credit=credit, optimizer="sgd", learning_rate=rate)
    chain = given.chain
    w, b, v, c = (
        x.detach().numpy().astype(np.float64).copy()
        for x in (chain.layers["hidden1"].weight, chain.layers["hidden1"].bias,
                  chain.readout.weight, chain.readout.bias)
    )  # fmt: skip
    back = v
    if credit == "feedback_alignment":
        back = chain.readout.feedback.numpy().astype(np.float64)
    if credit == "direct_feedback":
        # The error of the output straight to what the activation puts out.
        back = given.credit.direct["relu1"].numpy().astype(np.float64)
    stream = random_stream(2, {"x": SIZE}, CLASSES, samples=samples)
    x, y = stream.bits.dense().astype(np.float64), np.abs(stream.targets)
    said = BitNetwork(given).run(stream.bits, y, Plan.every(every, samples))
    for start in range(0, samples, every):
        part = slice(start, start + every)
        hidden = np.maximum(x[part] @ w.T + b, 0)
        p = softmax(hidden @ v.T + c)
        assert said[part] == pytest.approx(p, abs=1e-5)
        error = (p - np.eye(CLASSES)[y[part]]) / every
        below = (error @ (v if credit == "backprop" else back)) * (hidden > 0)
        v, c = v - rate * error.T @ hidden, c - rate * error.sum(0)
        w, b = w - rate * below.T @ x[part], b - rate * below.sum(0)
    assert chain.layers["hidden1"].weight.detach().numpy() == pytest.approx(w, abs=1e-5)


def test_each_horizon_has_a_network_of_its_own() -> None:
    stream = random_stream(0, {"x": 20, "y": 20}, CLASSES)
    both = readout((1, 5), 40).run(stream.activity, stream.targets, stream.plan)
    for scores in both:
        (alone,) = readout((scores.horizon,), 40).run(
            stream.activity, stream.targets, stream.plan
        )  # fmt: skip
        assert scores.probability.tobytes() == alone.probability.tobytes()


@pytest.mark.parametrize("horizon", [1, 5])
def test_a_horizon_learns_pairs_that_were_shifted_by_hand(horizon: int) -> None:
    """The same is learned as by a network that is given earlier bits with later classes."""
    stream = random_stream(2, {"x": 20, "y": 20}, CLASSES)
    read = Bits.beside([stream.activity["x"], stream.activity["y"]]).dense()
    made = readout((horizon,), 40)
    made.run(stream.activity, stream.targets, stream.plan)
    known = ages(stream.plan.reset, 0) >= horizon
    earlier = np.concatenate([np.zeros((horizon, 40), np.uint8), read[:-horizon]])
    plain = network(size=40, units=8, learning_rate=0.05)
    plain.run(earlier, np.where(known, stream.targets, -1), stream.plan)
    for name, array in made.models[horizon].state().items():
        assert array == pytest.approx(plain.state()[name], abs=1e-6), name


def test_depth_0_is_a_softmax_on_the_bits_and_depth_counts_hidden_layers() -> None:
    assert MLPParameters(depth=0).network().layers == {}
    assert [*MLPParameters(depth=2).network().layers] == ["hidden1", "relu1", "hidden2", "relu2"]


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "rmsprop", "adam"])
def test_values_beyond_the_buckets_widen_them(optimizer: Any) -> None:
    """Cuts do not show, before, at and after the value that is beyond."""
    buckets = Buckets(0.0, 4.0, 4, True, True)
    stream = random_stream(1, {"x": 20, "y": 20}, 4, samples=60)
    values = np.linspace(0, 3.9, 60)
    values[40] = 11.0

    def make() -> MLPReadout:
        return readout((1,), 40, classes=4, buckets=buckets, estimate="mean", optimizer=optimizer)

    whole, parts = make(), make()
    said = whole.answer(stream.activity, values, stream.plan)[0]
    pieces = []
    for start, stop in ((0, 39), (39, 41), (41, 60)):
        part = stream.slice(start, stop)
        pieces.append(parts.answer(part.activity, values[start:stop], part.plan)[0])
        again = make()
        again.load(parts.state())
        parts = again
    assert whole.buckets is not None
    assert whole.buckets.maximum == 16.0
    joined = np.concatenate([p.probability for p in pieces])
    assert joined == pytest.approx(said.probability, abs=1e-5)
    for name, array in parts.state().items():
        assert array == pytest.approx(whole.state()[name], abs=1e-5), name


def test_a_doubling_by_hand() -> None:
    """Upwards, of four classes the first pair becomes 0, the second 1; 2 and 3 are new."""
    given = network(units=3, optimizer="momentum")
    stream = random_stream(0, {"x": SIZE}, CLASSES, samples=20)
    BitNetwork(given).run(stream.bits, np.arange(20) % 4, Plan.every(8, 20))
    w, b = (p.detach().numpy().copy() for p in (given.chain.readout.weight,
                                                given.chain.readout.bias))  # fmt: skip
    momentum = given.optimizer.state[given.chain.readout.weight]["momentum_buffer"].numpy().copy()
    pending = given.state()["pending.targets"]
    merge(given, [True])
    now = given.chain.readout.weight.detach().numpy()
    assert now.tolist() == [*np.maximum(w[[0, 2]], w[[1, 3]]).tolist(), *[w.min(0).tolist()] * 2]
    assert given.chain.readout.bias.detach().numpy().tolist() == [
        max(b[0], b[1]), max(b[2], b[3]), b.min(), b.min()
    ]  # fmt: skip
    moved = given.optimizer.state[given.chain.readout.weight]["momentum_buffer"].numpy()
    assert moved[:2] == pytest.approx(momentum[[0, 2]] + momentum[[1, 3]])
    assert not moved[2:].any()
    assert given.state()["pending.targets"].tolist() == (pending // 2).tolist()


def test_bits_are_what_it_is_given() -> None:
    given = network(units=5)
    bits = Bits.from_rows(SIZE, [[0, 7], [], [29]])
    dense = np.zeros((3, SIZE), np.uint8)
    dense[0, [0, 7]] = dense[2, 29] = 1
    assert BitNetwork(given).compute(bits).tobytes() == given.compute(dense).tobytes()
