"""Probes and held-out evaluation: right by hand, and without a trace."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from htmrun.backends.bits import Bits
from htmrun.components.sources import Chunk
from htmrun.training.measures import probes as measured
from htmrun.training.schedule import Schedule
from tests.helpers.pipelines import CLASSES, pipeline, stream, train


class HeldOut:
    """A source with nothing but a held-out set."""

    classes = CLASSES

    def __init__(self, chunk: Chunk) -> None:
        self._chunk = chunk

    def test(self, chunk: int) -> Iterator[Chunk]:
        return self._chunk.pieces(chunk)


@pytest.fixture
def trained():
    model = pipeline(memory=False, horizons=(0,))
    train(model, stream(400), Schedule(1))
    return model


def test_swapping_moves_the_share_and_keeps_the_number():
    bits = Bits.from_dense(np.random.default_rng(0).random((40, 60)) < 0.3)
    for level in (0.0, 0.25, 1.0):
        noisy = measured.swap_bits(bits, level, seed=3)
        assert noisy.counts().tolist() == bits.counts().tolist()
        kept = [len(np.intersect1d(bits.row(t), noisy.row(t))) for t in range(40)]
        assert kept == [n - int(n * level) for n in bits.counts()]
    other = measured.swap_bits(bits, 0.25, seed=4)
    assert not np.array_equal(other.indices, measured.swap_bits(bits, 0.25, seed=3).indices)


def test_killed_columns_are_gone_and_the_rest_stays():
    bits = Bits.from_rows(5, [[0, 1], [], [1, 4], [0, 2, 3]])
    left = measured.keep(bits, np.array([True, False, True, True, False]))
    assert [left.row(t).tolist() for t in range(4)] == [[0], [], [], [0, 2, 3]]


def test_held_out_accuracy_and_probes_leave_no_trace(trained):
    source, before = HeldOut(stream(600).slice(400, 600)), trained.state_hash()
    found = measured.held_out(trained, source)
    probes = measured.take_probes(trained, source, seed=1)
    curves = measured.noise_curves(trained, probes)
    fault = measured.fault_curve(trained, probes)
    assert trained.state_hash() == before
    chunk = stream(600).slice(400, 600)
    guess = trained.compute(chunk).scores[0].probability.argmax(1)
    assert found["accuracy"] == pytest.approx((guess == chunk.target).mean())
    assert found["accuracy"] > 0.9, "the stream is easy: noisy repetitions of five patterns"
    assert curves["noise_accuracy"][0] == fault[0] == found["accuracy"]
    assert curves["noise_overlap"][0] == 1.0
    assert curves["noise_overlap"][-1] < 0.5
    assert curves["noise_accuracy"][-1] < 0.6


def test_churn_counts_the_predictions_that_a_commit_flips(trained):
    probes = measured.take_probes(trained, HeldOut(stream(600).slice(400, 500)), seed=1)
    probes.look(trained)
    assert probes.waiting
    probes.after_commit(trained)
    assert probes.churn == [0.0]
    probes.look(trained)
    before = trained.compute_bits(probes.bits, np.zeros(100, np.uint8)).scores[0].probability
    wrong = stream(300)
    train(
        trained, Chunk(wrong.fields, (wrong.target + 1) % 5, wrong.reset, wrong.scored), Schedule(1)
    )
    probes.after_commit(trained)
    after = trained.compute_bits(probes.bits, np.zeros(100, np.uint8)).scores[0].probability
    assert probes.churn[1] == pytest.approx((before.argmax(1) != after.argmax(1)).mean())
    assert probes.churn[1] > 0.5
    assert not probes.waiting
    assert probes.stability[0] == 1.0
