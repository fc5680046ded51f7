"""Classifiers by votes, against cases worked out by hand, scikit-learn, and plain versions."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from htmrun.backends.bits import Bits
from htmrun.backends.plan import Plan
from htmrun.backends.voting import load_voting
from htmrun.components.classifiers import Targets
from htmrun.components.classifiers.buckets import Buckets
from htmrun.components.classifiers.cla import BitVotes, CLAParameters, CLAReadout
from htmrun.components.classifiers.horizons import ages
from htmrun.components.classifiers.knn import KNNParameters, KNNReadout, StoredPatterns
from htmrun.testing import ReadoutChecks
from htmrun.testing.streams import Stream, assert_same, random_stream

SIZE, CLASSES = 40, 4
HORIZONS = [(0,), (0, 1, 5), (3,)]
LEARNERS: dict[str, dict[str, Any]] = {
    "cla": {"rate": 0.1},
    "knn": {"neighbours": 3},
    "cosine": {"neighbours": 4, "similarity": "cosine", "weights": "similarity"},
    "jaccard": {"neighbours": 2, "similarity": "jaccard", "patterns": 9},
}


def model(name: str, device: str = "cpu", size: int = SIZE, classes: int = CLASSES) -> Any:
    voting = load_voting(device)
    if name == "cla":
        return BitVotes(CLAParameters(**LEARNERS[name]), size, classes, voting)
    return StoredPatterns(KNNParameters(**LEARNERS[name]), size, classes, voting)


def readout(name: str, horizons: Any, size: int, device: str = "cpu", **more: Any) -> Any:
    kind = CLAReadout if name == "cla" else KNNReadout
    targets = Targets(more.pop("classes", CLASSES), horizons, **more)
    return kind(
        targets, ("x", "y"), size, lambda: model(name, device, size, targets.classes),
        name="classifier", learn=True,
    )  # fmt: skip


class TestCLA(ReadoutChecks):
    inputs = (("x", 50), ("y", 30))

    def make(self, case: int, seed: int = 1) -> Any:
        return readout("cla", HORIZONS[case], 80)


class TestKNN(ReadoutChecks):
    inputs = (("x", 50), ("y", 30))
    cases = range(6)

    def make(self, case: int, seed: int = 1) -> Any:
        return readout(["knn", "cosine", "jaccard"][case % 3], HORIZONS[case // 2], 80)


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("case", range(3))
def test_compiled_equals_plain(name: str, case: int) -> None:
    """Byte for byte, in what is said and in the state."""
    stream = random_stream(case, {"x": SIZE}, CLASSES, samples=150)
    models = [model(name, device) for device in ("reference", "cpu")]
    said = [m.run(stream.bits, stream.targets, stream.plan) for m in models]
    assert said[0].tobytes() == said[1].tobytes()
    assert_same(models[0].state(), models[1].state())
    assert models[0].compute(stream.bits).tobytes() == models[1].compute(stream.bits).tobytes()


@pytest.mark.parametrize(("size", "density"), [(3000, 0.004), (70, 0.3), (64, 0.0), (1, 1.0)])
@pytest.mark.parametrize("similarity", ["overlap", "cosine", "jaccard"])
def test_neighbours_are_the_same_by_lists_and_by_words(
    size: int, density: float, similarity: str
) -> None:
    """Sparse patterns of many bits go by lists, others by words of 64."""
    r = np.random.default_rng(size)
    stored, bits = (Bits.from_dense(r.random((n, size)) < density) for n in (60, 25))
    classes, low = r.integers(0, 5, 60), r.integers(0, 30, 25)
    given = (bits, stored, classes, low, low + 30, 4, similarity, True, 0.02, 5)
    plain, compiled = (load_voting(d).nearest_votes(*given) for d in ("reference", "cpu"))
    assert plain.tobytes() == compiled.tobytes()


def shifted(bits: Bits, horizon: int) -> Bits:
    rows = [bits.row(t - horizon) if t >= horizon else [] for t in range(len(bits))]
    return Bits.from_rows(bits.size, rows)


@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize("name", LEARNERS)
def test_a_horizon_learns_pairs_that_were_shifted_by_hand(name: str, horizon: int) -> None:
    """The same is learned as by a model that is given earlier bits with later classes."""
    stream = random_stream(2, {"x": 20, "y": 20}, CLASSES)
    read = Bits.beside([stream.activity["x"], stream.activity["y"]])
    made = readout(name, (horizon,), 40)
    made.run(stream.activity, stream.targets, stream.plan)
    plain = model(name, size=40)
    known = ages(stream.plan.reset, 0) >= horizon
    plain.run(shifted(read, horizon), np.where(known, stream.targets, -1), stream.plan)
    assert_same(made.models[horizon].state(), plain.state())


def chunk(rows: list[list[int]], size: int = 4) -> Bits:
    return Bits.from_rows(size, rows)


def test_cla_by_hand() -> None:
    """Bits 0, 1 with class 0; 1, 2 with class 1; a half gives way each time."""
    made = BitVotes(CLAParameters(rate=0.5, floor=0), 4, 2, load_voting("cpu"))
    said = made.run(chunk([[0, 1], [1, 2], [1], [0], [3]]), np.array([0, 1, -1, 0, -1]),
                    Plan.every(1, 5))  # fmt: skip
    # Bit 0: 1/2 0; bit 1: 1/2 0, then 1/4 1/2; bit 2: 0 1/2. Nothing is known of bit 3.
    assert said.tolist() == pytest.approx(
        np.array([[0.5, 0.5], [1, 0], [1 / 3, 2 / 3], [1, 0], [0.5, 0.5]])
    )
    assert made.state()["table"].tolist() == [[0.75, 0], [0.25, 0.5], [0, 0.5], [0, 0]]


def test_cla_is_the_sum_of_averages_that_pandas_makes() -> None:
    """pandas' exponentially weighted means of each bit's classes, from a zero before the first."""
    import pandas as pd

    stream = random_stream(4, {"x": 25}, CLASSES, samples=200)
    stream = Stream(stream.activity, np.abs(stream.targets), Plan.every(1, 200))
    rate, seen = 0.2, defaultdict(list)
    made = BitVotes(CLAParameters(rate=rate, floor=0.1), 25, CLASSES, load_voting("cpu"))
    said = made.run(stream.bits, stream.targets, stream.plan)
    for t in range(200):
        on = stream.bits.row(t).tolist()
        votes = np.zeros(CLASSES)
        for bit in on:
            rows = pd.DataFrame([np.zeros(CLASSES), *seen[bit]])
            votes += rows.ewm(alpha=rate, adjust=False).mean().iloc[-1].to_numpy()
        expected = 0.9 * votes / votes.sum() + 0.1 / CLASSES if votes.any() else 1 / CLASSES
        assert said[t] == pytest.approx(expected, abs=1e-6)
        for bit in on:
            seen[bit].append(np.eye(CLASSES)[stream.targets[t]])


@pytest.mark.parametrize("similarity", ["overlap", "cosine", "jaccard"])
@pytest.mark.parametrize("weights", ["uniform", "similarity"])
def test_knn_is_scikit_learns_fitted_anew(similarity: Any, weights: Any) -> None:
    """Where the k-th and the next neighbour are not equally near; distance: less similarity."""
    r = np.random.default_rng(3)
    x, y = r.random((160, 90)) < r.uniform(0.1, 0.5, (160, 1)), r.integers(0, CLASSES, 160)
    p = KNNParameters(neighbours=5, similarity=similarity, weights=weights, floor=0)
    made = StoredPatterns(p, 90, CLASSES, load_voting("cpu"))
    said = made.run(Bits.from_dense(x), y, Plan.every(1, 160))

    def near(a: np.ndarray, b: np.ndarray) -> float:
        shared = float((a * b).sum())
        return {
            "overlap": shared,
            "cosine": shared / np.sqrt(a.sum() * b.sum()),
            "jaccard": shared / ((a + b) > 0).sum(),
        }[similarity]

    compared = 0
    for t in range(20, 160):
        alike = np.sort([near(x[t] * 1.0, b) for b in x[:t] * 1.0])[::-1]
        if np.isclose(alike[4], alike[5]):
            continue
        compared += 1
        fitted = KNeighborsClassifier(
            5, algorithm="brute", metric=lambda a, b: 1000 - near(a, b),
            weights=weights if weights == "uniform" else (lambda d: 1000 - d),
        ).fit(x[:t] * 1.0, y[:t])  # fmt: skip
        expected = np.zeros(CLASSES)
        expected[fitted.classes_] = fitted.predict_proba(x[t : t + 1] * 1.0)[0]
        assert said[t] == pytest.approx(expected, abs=1e-6)
    assert compared > 15


def test_of_equal_neighbours_the_first_stored_vote_and_strangers_never() -> None:
    p = KNNParameters(neighbours=2, floor=0)
    made = StoredPatterns(p, 4, 3, load_voting("cpu"))
    made.run(chunk([[0], [3], [0], [0]]), np.array([1, 2, 0, 2]), Plan.every(1, 4))
    assert made.compute(chunk([[0], [3], [1]])) == pytest.approx(
        np.array([[0.5, 0.5, 0], [0, 0, 1], [1 / 3, 1 / 3, 1 / 3]])
    )


def test_the_oldest_patterns_leave_at_the_commit() -> None:
    p = KNNParameters(neighbours=1, patterns=2, floor=0)
    made = StoredPatterns(p, 4, 4, load_voting("cpu"))
    plan = Plan.every(3, 5)
    made.run(chunk([[0], [1], [2], [3], [0]]), np.array([0, 1, 2, 3, 0]), plan)
    assert made.state()["stored_classes"].tolist() == [1, 2]
    assert made.state()["pending_classes"].tolist() == [3, 0]
    last = Plan.every(1, 1)
    made.run(chunk([[1]]), np.array([-1]), last)
    assert made.state()["stored_classes"].tolist() == [3, 0]
    assert made.state()["stored_indices"].tolist() == [3, 0]


@pytest.mark.parametrize("name", ["cla", "knn"])
def test_values_beyond_the_buckets_widen_them(name: str) -> None:
    """What was learned of two buckets is of the one that they became; cuts do not show."""
    buckets = Buckets(0.0, 4.0, 4, True, True)
    stream = random_stream(1, {"x": 20, "y": 20}, 4, samples=60)
    values = np.linspace(0, 3.9, 60)
    values[40] = 11.0

    def make() -> Any:
        return readout(name, (1,), 40, classes=4, buckets=buckets, estimate="mean")

    whole, parts = make(), make()
    said = whole.answer(stream.activity, values, stream.plan)[0]
    pieces = []
    for start, stop in ((0, 39), (39, 41), (41, 60)):
        part = stream.slice(start, stop)
        pieces.append(parts.answer(part.activity, values[start:stop], part.plan)[0])
    assert whole.buckets.maximum == 16.0
    assert np.concatenate([p.probability for p in pieces]).tobytes() == said.probability.tobytes()
    assert_same(parts.state(), whole.state())
    assert np.isfinite(said.estimate("mean")).all()
    assert np.isfinite(said.take(said.valid).quantile(0.95)).all()


def test_widening_by_hand() -> None:
    cla = BitVotes(CLAParameters(rate=0.5), 2, 4, load_voting("cpu"))
    knn = StoredPatterns(KNNParameters(neighbours=1), 2, 4, load_voting("cpu"))
    for made in (cla, knn):
        made.run(chunk([[0], [0], [0], [1]], 2), np.array([0, 1, 3, 2]), Plan.every(3, 4))
        made.merge([True])
        assert made.state()["pending_classes"].tolist() == [1]
        made.merge([False])
        assert made.state()["pending_classes"].tolist() == [2]
    # Buckets 0 and 1 hold 1/8 and 1/4, 3 a half: up they are 0 and 1, then down 2.
    assert cla.state()["table"][0].tolist() == [0, 0, 0.875, 0]
    assert knn.state()["stored_classes"].tolist() == [2, 2, 2]
