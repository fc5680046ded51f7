"""What everything keeps that predicts, learns and commits under a plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from htmrun.backends import load_backend
from htmrun.backends.bits import Bits
from htmrun.errors import UserError
from htmrun.testing.streams import (
    Outputs,
    Stream,
    assert_same,
    assert_well_formed,
    cuts,
    first,
    joined,
    outputs_of,
    random_stream,
)


def lacking(checks: object, method: str) -> TypeError:
    """Return the error of a class of checks that does not say something of what it checks."""
    return TypeError(f"{type(checks).__name__} has no {method}(), expected one of its own")


class LearnerChecks:
    """Checks of a model with run, compute, state and load.

    Needs `make`, and `stream`, `run` and `compute` where the defaults of a subclass do not do.
    cases: numbers of the streams that each check goes through.
    seeded: whether another seed makes another model.
    goes_on: whether `compute` goes on from the sample that `run` saw last.
    """

    cases: ClassVar[Sequence[int]] = range(3)
    seeded: ClassVar[bool] = True
    goes_on: ClassVar[bool] = False

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each check that takes a `case` with all of them."""
        if "case" in metafunc.fixturenames:
            metafunc.parametrize("case", self.cases)

    def make(self, case: int, seed: int = 1) -> Any:
        """Return a new model of a case."""
        raise lacking(self, "make")

    def stream(self, case: int) -> Stream:
        """Return the samples of a case, 50 or more."""
        raise lacking(self, "stream")

    def run(self, model: Any, stream: Stream, learn: bool = True) -> Outputs:
        """Run the model over a stream; return what it says."""
        raise lacking(self, "run")

    def compute(self, model: Any, stream: Stream) -> Outputs:
        """Return what the model says from frozen state."""
        raise lacking(self, "compute")

    def learned(self, model: Any, stream: Stream) -> Outputs:
        """Return what tells how much a model has learned: what it says of sequences afresh."""
        return self.compute(model, stream.afresh())

    def warm(self, case: int) -> tuple[Any, Stream]:
        """Return a model that learned the first part of a stream, and the rest, 2 of 5 samples."""
        stream = self.stream(case)
        begun = len(stream) * 3 // 5
        model = self.make(case)
        self.run(model, stream.slice(0, begun).committing(*range(begun)))
        return model, stream.slice(begun, len(stream))

    def test_chunks_and_stops_do_not_show(self, case: int) -> None:
        """Any chunks, the model made anew from its state between them, windows pending."""
        stream, whole = self.stream(case), self.make(case)
        expected = self.run(whole, stream)
        model, parts = self.make(case), []
        for start, stop in cuts(case, len(stream)):
            parts.append(self.run(model, stream.slice(start, stop)))
            saved, model = model.state(), self.make(case)
            model.load(saved)
            assert_same(model.state(), saved)
        assert_same(joined(parts), expected)
        assert_same(model.state(), whole.state())

    def test_inference_leaves_no_trace(self, case: int) -> None:
        model, rest = self.warm(case)
        before, said = model.state(), self.compute(model, rest)
        assert_same(model.state(), before)
        assert_same(self.compute(model, rest), said)

    def test_compute_says_what_run_says_without_learning(self, case: int) -> None:
        model, rest = self.warm(case)
        rest = rest if self.goes_on else rest.afresh()
        assert_same(self.compute(model, rest), self.run(model, rest, learn=False))

    def test_nothing_is_learned_where_learning_is_off(self, case: int) -> None:
        model, rest = self.warm(case)
        before = self.learned(model, rest)
        self.run(model, rest, learn=False)
        assert_same(self.learned(model, rest), before)

    def test_nothing_is_learned_before_the_commit(self, case: int) -> None:
        """Up to the first commit neither the window nor its targets change what is said."""
        model, rest = self.warm(case)
        other = self.make(case)
        other.load(model.state())
        said = self.run(model, rest.committing())
        changed = replace(rest, targets=rest.targets[::-1].copy()).committing(4)
        assert_same(first(self.run(other, changed), 5), first(said, 5))

    def test_rows_that_are_said_to_need_no_others_do_not(self, case: int) -> None:
        """What declares `row_by_row` says the same of samples in parts, at horizon 0."""
        model, rest = self.warm(case)
        if not getattr(model, "row_by_row", False):
            return
        whole = self.compute(model, rest)
        parts = joined([self.compute(model, rest.slice(t, t + 1)) for t in range(len(rest))])
        now = [name for name in whole if not name.startswith("h") or name.startswith("h0")]
        assert_same({name: parts[name] for name in now}, {name: whole[name] for name in now})

    def test_commits_are_learned_from(self) -> None:
        changed = 0
        for case in self.cases:
            model, rest = self.warm(case)
            before, now = self.learned(self.make(case), rest), self.learned(model, rest)
            changed += any(_bytes(now[name]) != _bytes(x) for name, x in before.items())
        assert changed, "no stream changed anything that is said"

    def test_the_seed_decides(self) -> None:
        case = self.cases[0]
        stream, states = self.stream(case), []
        for seed in (1, 1, 2):
            model = self.make(case, seed)
            self.run(model, stream)
            states.append(model.state())
        assert_same(states[0], states[1])
        differ = any(a.tobytes() != states[2][name].tobytes() for name, a in states[0].items())
        assert differ == self.seeded

    def test_arrays_are_neither_shared_nor_changed(self, case: int) -> None:
        model, stream = self.make(case), self.stream(case)
        kept = Bits(stream.bits.size, stream.bits.indices.copy(), stream.bits.offsets.copy())
        self.run(model, stream)
        assert_same({"bits": stream.bits}, {"bits": kept})
        before, other = model.state(), self.make(case)
        for bits in stream.activity.values():
            bits.indices[...] = 0
        given = model.state()
        other.load(given)
        for array in given.values():
            array[...] = 0
        assert_same(model.state(), before)
        assert_same(other.state(), before)

    def test_another_state_is_refused_and_changes_nothing(self) -> None:
        model, _ = self.warm(self.cases[0])
        before = model.state()
        for name, array in before.items():
            wrong = [{n: a for n, a in before.items() if n != name},
                     {**before, name: array.astype("M8[s]")}]  # fmt: skip
            for state in wrong:
                with pytest.raises((ValueError, UserError)) as error:
                    model.load(state)
                assert "\n" not in str(error.value)
                assert_same(model.state(), before)


def _bytes(output: Bits | np.ndarray) -> bytes:
    return output.dense().tobytes() if isinstance(output, Bits) else output.tobytes()


class ReadoutChecks(LearnerChecks):
    """Checks of a readout: the last stage, which says how likely each class is.

    Needs `make(case, seed)`.
    inputs: names and sizes of the bits that it reads. classes: how many.
    """

    inputs: ClassVar[Sequence[tuple[str, int]]] = (("x", 50),)
    classes: ClassVar[int] = 4
    seeded = False

    def stream(self, case: int) -> Stream:
        return random_stream(case, dict(self.inputs), self.classes)

    def run(self, model: Any, stream: Stream, learn: bool = True) -> Outputs:
        model.learn = learn
        return outputs_of(model.run(stream.activity, stream.targets, stream.plan))

    def compute(self, model: Any, stream: Stream) -> Outputs:
        return outputs_of(model.compute(stream.activity, stream.plan.reset))

    def test_scores_are_probabilities(self, case: int) -> None:
        """float32 (T, classes), rows of sum 1, or of zeros where nothing speaks for any class."""
        model, rest = self.warm(case)
        for said in (
            model.run(rest.activity, rest.targets, rest.plan),
            model.compute(rest.activity, rest.plan.reset),
        ):
            horizons = [scores.horizon for scores in said]
            assert len(set(horizons)) == len(horizons) > 0
            assert min(horizons) >= 0
            for scores in said:
                assert (scores.valid.dtype, scores.valid.shape) == (np.bool_, (len(rest),))
                assert scores.probability.dtype == np.float32
                assert scores.probability.shape == (len(rest), self.classes)
                known = scores.probability[scores.valid]
                assert ((known >= 0) & (known <= 1)).all()
                total = known.sum(1, dtype=np.float64)
                assert np.isclose(total[total > 0], 1, atol=1e-5).all()


class StageChecks(LearnerChecks):
    """Checks of a stage between the encoder and the readout.

    Needs `stage`, its class, and `parameters(case)`. inputs: how many bits it reads.
    """

    stage: ClassVar[Any]
    inputs: ClassVar[int] = 60
    goes_on = True

    def parameters(self, case: int) -> Any:
        """Return the parameters of a case."""
        raise lacking(self, "parameters")

    def make(self, case: int, seed: int = 1) -> Any:
        shape, backend = (self.inputs,), load_backend("cpu")
        return self.stage.build("stage", self.parameters(case), shape, seed, backend, True)

    def stream(self, case: int) -> Stream:
        return random_stream(case, {"x": self.inputs}, 5)

    def run(self, model: Any, stream: Stream, learn: bool = True) -> Outputs:
        model.learn = learn
        said: dict[str, Bits] = {}
        return {"main": model.run(stream.bits, stream.plan, said), **said}

    def compute(self, model: Any, stream: Stream) -> Outputs:
        said: dict[str, Bits] = {}
        return {"main": model.compute(stream.bits, stream.plan.reset, said), **said}

    def learned(self, model: Any, stream: Stream) -> Outputs:
        # Which cell of a burst wins may hang on how many samples there were.
        return {"main": super().learned(model, stream)["main"]}

    def test_bits_are_those_that_it_declares(self, case: int) -> None:
        model, rest = self.warm(case)
        declared = self.stage.outputs("stage", self.parameters(case), (self.inputs,))
        for made in (self.compute(model, rest), self.run(model, rest)):
            assert {*made} == {"main", *declared}
            for name, shape in {"main": declared["stage"], **declared}.items():
                assert_well_formed(made[name], math.prod(shape), len(rest))  # type: ignore[arg-type]
