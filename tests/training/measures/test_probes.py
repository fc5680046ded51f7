"""Probes and held-out evaluation: right by hand, and without a trace."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from htmrun.backends import rng
from htmrun.backends.bits import Bits
from htmrun.backends.plan import Plan
from htmrun.backends.rng import Purpose
from htmrun.components.pipeline import Outcome
from htmrun.components.sources import Chunk
from htmrun.training.measures import probes as measured
from htmrun.training.measures.held_out import HeldOut as Evaluation
from htmrun.training.measures.held_out import held_out
from htmrun.training.measures.measure import Due, Run
from htmrun.training.measures.swaps import Swaps, swap_bits, swaps_of
from htmrun.training.records import Job
from htmrun.training.schedule import Course, Schedule
from tests.helpers.pipelines import CLASSES, pipeline, stream, train


class HeldOut:
    """A source with nothing but a held-out set."""

    classes = CLASSES

    def __init__(self, chunk: Chunk) -> None:
        self._chunk = chunk

    def test(self, chunk: int) -> Iterator[Chunk]:
        return self._chunk.pieces(chunk)

    def validation(self, chunk: int) -> None:
        return None


def run_of(model, source) -> Run:
    return Run(Job("online", 1), model, source, Schedule(1), Course(), 400)


@pytest.fixture
def trained():
    model = pipeline(memory=False, horizons=(0,))
    train(model, stream(400), Schedule(1))
    return model


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.9, 1.0])
def test_noise_ranked_once_is_each_level_ranked_alone(share):
    bits = Bits.from_dense(np.random.default_rng(5).random((20, 37)) < share)
    swaps = Swaps(bits, 3)
    for level in measured.NOISE_LEVELS:
        found = swaps.at(level)
        for t in range(len(bits)):
            word = [int(rng.hash2(rng.key(3, Purpose.NOISE), np.uint64(t), np.uint64(i))) >> 1
                    for i in range(37)]  # fmt: skip
            on = sorted(bits.row(t).tolist(), key=word.__getitem__)
            off = sorted(set(range(37)) - set(on), key=word.__getitem__)
            moved = min(int(len(on) * level), len(off))
            assert found.row(t).tolist() == sorted([*on[moved:], *off[:moved]])


def test_swapping_moves_the_share_and_keeps_the_number():
    bits = Bits.from_dense(np.random.default_rng(0).random((40, 60)) < 0.3)
    for level in (0.0, 0.25, 1.0):
        noisy = swap_bits(bits, level, seed=3)
        assert noisy.counts().tolist() == bits.counts().tolist()
        kept = [len(np.intersect1d(bits.row(t), noisy.row(t))) for t in range(40)]
        assert kept == [n - int(n * level) for n in bits.counts()]
    other = swap_bits(bits, 0.25, seed=4)
    assert not np.array_equal(other.indices, swap_bits(bits, 0.25, seed=3).indices)


def test_noise_is_made_once_for_the_same_samples_and_seed():
    bits = Bits.from_dense(np.random.default_rng(0).random((40, 60)) < 0.3)
    swaps, again = swaps_of(bits, 3), Bits(60, bits.indices.copy(), bits.offsets.copy())
    assert swaps_of(again, 3) is swaps
    assert swaps.at(0.5) is swaps.at(0.5)
    mirrored = Bits.from_rows(60, [59 - bits.row(t)[::-1] for t in range(40)])
    wider = Bits(61, bits.indices, bits.offsets)
    few, regrouped = (Bits.from_rows(9, rows) for rows in ([[1, 5], [7, 8]], [[1], [5, 7, 8]]))
    pairs = [(bits, bits, 4), (bits, mirrored, 3), (bits, wider, 3), (few, regrouped, 3)]
    for before, other, seed in pairs:
        swaps_of(before, 3).at(0.5)
        for level in (0.25, 0.5):
            found, alone = swaps_of(other, seed).at(level), Swaps(other, seed).at(level)
            assert found.size == other.size
            assert found.offsets.tolist() == alone.offsets.tolist()
            assert found.indices.tolist() == alone.indices.tolist()


def test_noise_on_many_samples_is_not_kept(monkeypatch):
    bits = Bits.from_dense(np.random.default_rng(0).random((40, 60)) < 0.3)
    monkeypatch.setattr("htmrun.training.measures.swaps.KEPT_BYTES", 2 * bits.indices.nbytes)
    swaps = Swaps(bits, 3)
    found = [swaps.at(level) for level in (0.25, 0.5, 0.75)]
    again = [swaps.at(level) for level in (0.25, 0.5, 0.75)]
    assert [a is b for a, b in zip(found, again, strict=True)] == [True, True, False]
    assert found[2].indices.tolist() == again[2].indices.tolist()
    small = swaps_of(bits.slice(0, 1), 3)
    assert swaps_of(bits.slice(0, 1), 3) is small
    assert swaps_of(bits, 3) is not swaps_of(bits, 3)
    assert swaps_of(bits.slice(0, 1), 3) is not small, "nothing is left of what was before"


@pytest.mark.parametrize("memory", [False, True])
def test_what_was_just_scored_is_not_asked_for_again(memory, monkeypatch):
    model = pipeline(memory=memory, horizons=(0,))
    train(model, stream(400), Schedule(1))
    source = HeldOut(stream(1000).slice(400, 1000))
    alone, shared = run_of(model, source), run_of(model, source)
    apart, beside = measured.Probes(), measured.Probes()
    apart.begin(alone), beside.begin(shared)
    asked, compute = [], type(model).compute_bits
    monkeypatch.setattr(
        type(model), "compute_bits", lambda *given: asked.append(1) or compute(*given)
    )
    due = Due(curve=False, evaluation=True)
    for _ in range(2):
        apart.look(alone, due)
        held = Evaluation()
        held.begin(shared)
        held.look(shared, due)
        asked.clear()
        beside.look(shared, due)
        assert len(asked) == (1 if memory else 0), "a memory goes on from sample to sample"
        assert shared.held_out is None
        assert np.array_equal(beside.state()["before"], apart.state()["before"])
        train(model, stream(50), Schedule(1))
    assert beside.state()["watched"]["stability"] == apart.state()["watched"]["stability"]
    held.finish(shared)
    one, other = beside.finish(shared).series, apart.finish(alone).series
    assert {name: curve.tolist() for name, curve in one.items()} == {
        name: curve.tolist() for name, curve in other.items()
    }


def test_held_out_accuracy_and_probes_leave_no_trace(trained):
    source, before = HeldOut(stream(600).slice(400, 600)), trained.state_hash()
    found = held_out(trained, source)
    probes, run = measured.Probes(), run_of(trained, source)
    probes.begin(run)
    curves = probes.finish(run).series
    fault = curves["fault_accuracy"]
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
    run = run_of(trained, HeldOut(stream(600).slice(400, 500)))
    probes, some = measured.Probes(), stream(1)
    committed = Plan(some.reset, np.ones(1, np.uint8), np.ones(1, np.uint8))
    probes.begin(run)
    assert not probes.awaits_commit
    for _ in range(2):
        assert probes.look(run, Due(curve=False, evaluation=True)) == {}
        assert probes.awaits_commit
        before = trained.compute_bits(probes.bits, np.zeros(100, np.uint8)).scores[0].probability
        if probes.state()["watched"]["churn"]:
            wrong = stream(300)
            wrong = Chunk(wrong.fields, (wrong.target + 1) % 5, wrong.reset, wrong.scored)
            train(trained, wrong, Schedule(1))
        probes.chunk(run, some, committed, Outcome({}, []))
        assert not probes.awaits_commit
    after = trained.compute_bits(probes.bits, np.zeros(100, np.uint8)).scores[0].probability
    watched = probes.state()["watched"]
    assert watched["churn"][0] == 0.0
    assert watched["churn"][1] == pytest.approx((before.argmax(1) != after.argmax(1)).mean())
    assert watched["churn"][1] > 0.5
    assert watched["stability"] == [1.0]
    assert probes.finish(run).metrics["churn"] == pytest.approx(watched["churn"][1] / 2)
