"""Horizons: pairs of earlier bits and later classes, never across a reset, however cut."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.backends import cpu
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import SDRModelParameters
from htmrun.backends.plan import Plan
from htmrun.components.classifiers import Targets
from htmrun.components.classifiers.buckets import merged, summed
from htmrun.components.classifiers.horizons import ages
from htmrun.components.classifiers.predicted_columns import PredictedColumnsReadout
from htmrun.components.classifiers.sdr import SDRClassifierParameters, SDRReadout
from htmrun.testing import ReadoutChecks


def material(samples: int = 80) -> tuple[Bits, np.ndarray, np.ndarray]:
    r = np.random.default_rng(2)
    reset = (r.random(samples) < 0.08).astype(np.uint8)
    bits = Bits.from_dense(r.random((samples, 50)) < 0.15)
    return bits, r.integers(0, 4, samples), reset


def test_age_counts_from_the_last_reset():
    assert ages(np.array([0, 0, 1, 0, 0, 1], np.uint8), 3).tolist() == [3, 4, 0, 1, 2, 0]


def readout(*reads: str, size: int = 50, horizons: tuple[int, ...] = (0,)) -> SDRReadout:
    parameters = SDRClassifierParameters(horizons=horizons)
    return SDRReadout(parameters, Targets(4, horizons), reads or ("x",), size, cpu)


@pytest.mark.parametrize("horizon", [0, 1, 5])
@pytest.mark.parametrize("every", [1, 6])
def test_a_horizon_is_a_classifier_trained_on_shifted_pairs(horizon, every):
    """Independent view: the plain backend fed with pairs that were shifted by hand."""
    bits, targets, reset = material()
    plan = Plan(reset, Plan.every(every, 80).commit, np.zeros(80, np.uint8))
    got = readout(horizons=(horizon,)).run({"x": bits}, targets, plan)[0]

    rows = [bits.row(t - horizon) if t >= horizon else [] for t in range(80)]
    starts = [max([s for s in range(t + 1) if reset[s] or s == 0]) for t in range(80)]
    known = np.array([t - horizon >= starts[t] for t in range(80)])
    model = cpu.SDRClassifier(SDRModelParameters(), 50, 4)
    made = model.run(bits, np.where(known, targets, -1), plan, learn_bits=Bits.from_rows(50, rows))
    assert got.valid.tolist() == known.tolist()
    want = np.array([made[t - horizon] for t in range(80) if known[t]])
    assert got.probability[known].tobytes() == want.tobytes()


def test_several_outputs_are_read_side_by_side():
    bits, targets, _ = material()
    plan = Plan.every(1, 80)
    joined = Bits.beside([bits, bits])
    one = readout("xx", size=100).run({"xx": joined}, targets, plan)[0]
    two = readout("x", "y", size=100).run({"x": bits, "y": bits}, targets, plan)[0]
    assert one.probability.tobytes() == two.probability.tobytes()


def test_predicted_columns_names_the_class_that_is_expected_most():
    columns = Bits.from_rows(6, [[0, 1], [2, 3], [0, 1], [2, 3]])
    predicted = Bits.from_rows(6, [[], [], [1, 2, 3], [0]])
    model = PredictedColumnsReadout("p", "c", 6, 2)
    activity = {"p": predicted, "c": columns}
    scores = model.run(activity, np.array([0, 1, 0, 1]), Plan.every(2, 4))[0]
    assert scores.valid.tolist() == [False, True, True, True]
    np.testing.assert_allclose(scores.probability, [[0, 0], [0, 0], [1 / 3, 2 / 3], [1, 0]])


class TestSDR(ReadoutChecks):
    inputs = (("x", 50), ("y", 30))

    def make(self, case: int, seed: int = 1) -> SDRReadout:
        return readout("x", "y", size=80, horizons=[(0,), (0, 1, 5), (3,)][case])


class TestPredictedColumns(ReadoutChecks):
    inputs = (("predicted", 60), ("columns", 60))

    def make(self, case: int, seed: int = 1) -> PredictedColumnsReadout:
        return PredictedColumnsReadout("predicted", "columns", 60, self.classes)


@pytest.mark.parametrize("every", [1, 30])
def test_doublings_carry_every_row_over(every):
    """All rows at once, those of bits that never were on included, is what it must come to."""
    bits, targets, _ = material()
    seldom = Bits(60, bits.indices, bits.offsets)  # The last ten are never on.
    made = readout(size=60, horizons=(0, 2))
    made.run({"x": seldom}, targets, Plan.every(every, 80))
    before = made.state()
    assert before["h0.gradient"].any() == (every > 1)
    made.merge([True, False, True])
    after = made.state()
    for name, change in (("weights", merged), ("gradient", summed)):
        for h in (0, 2):
            want = before[f"h{h}.{name}"]
            for up in (True, False, True):
                want = change(want, up)
            assert after[f"h{h}.{name}"].tobytes() == want.tobytes()


def test_a_state_that_was_loaded_is_a_copy_and_a_broken_one_changes_nothing():
    bits, targets, _ = material()
    plan = Plan.every(1, 80)
    made, other = readout(horizons=(0, 3)), readout(horizons=(0, 3))
    made.run({"x": bits}, targets, plan)
    given = made.state()
    other.load(given)
    for array in given.values():
        array[:] = 7
    assert {n: a.tobytes() for n, a in other.state().items()} == {
        n: a.tobytes() for n, a in made.state().items()
    }
    broken = made.state()
    broken["h3.weights"] = broken["h3.weights"][:, :-1]
    fresh = readout(horizons=(0, 3))
    before = {n: a.tobytes() for n, a in fresh.state().items()}
    with pytest.raises(ValueError, match=r"h3\.weights"):
        fresh.load(broken)
    assert {n: a.tobytes() for n, a in fresh.state().items()} == before
