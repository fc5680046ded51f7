"""What every backend keeps: the models' contract, and the bytes of the reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from htmrun.backends import Backend, load_backend, reference
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import (
    SDRModelParameters,
    SpatialPoolerParameters,
    TemporalMemoryParameters,
)
from htmrun.backends.plan import Plan
from htmrun.testing.learners import LearnerChecks, lacking
from htmrun.testing.streams import (
    Outputs,
    Stream,
    assert_same,
    cuts,
    outputs_of,
    random_stream,
)


class BackendChecks(LearnerChecks):
    """Checks of one model of a backend; subclass those of the three models.

    backend: its name, or what has its three classes. pairs: numbers of the streams on which
    it is compared with the reference.
    """

    backend: ClassVar[str | Any]
    cases = range(8)
    pairs: ClassVar[Sequence[int]] = range(30)
    goes_on = True

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each comparison with every one of `pairs`, and each other check with `cases`."""
        super().pytest_generate_tests(metafunc)
        if "pair" in metafunc.fixturenames:
            metafunc.parametrize("pair", self.pairs)

    def make(self, case: int, seed: int = 1) -> Any:
        found = self.backend
        return self.model(load_backend(found) if isinstance(found, str) else found, case, seed)

    def model(self, backend: Backend, case: int, seed: int) -> Any:
        """Return a backend's model of a case."""
        raise lacking(self, "model")

    def test_it_is_equal_to_the_reference(self, pair: int) -> None:
        """Outputs and state, at every commit and in between, byte for byte."""
        stream, mine, theirs = self.stream(pair), self.make(pair), self.model(reference, pair, 1)
        assert_same(mine.state(), theirs.state())
        commits = (np.flatnonzero(stream.plan.commit) + 1).tolist()
        stops = sorted({*commits, *(stop for _, stop in cuts(pair, len(stream)))})
        for start, stop in zip([0, *stops], stops, strict=False):
            part = stream.slice(start, stop)
            assert_same(self.run(mine, part), self.run(theirs, part))
            assert_same(mine.state(), theirs.state())
            assert self.numbers(mine, part) == self.numbers(theirs, part)
        assert_same(self.compute(mine, stream), self.compute(theirs, stream))

    def numbers(self, model: Any, stream: Stream) -> Any:
        """Return what else a model tells."""


class PoolerChecks(BackendChecks):
    """Checks of a backend's spatial pooler, local and global, on grids and without."""

    pairs = range(36)

    def model(self, backend: Backend, case: int, seed: int) -> Any:
        shape, settings = pooler_case(case)
        parameters = SpatialPoolerParameters.model_validate(settings)
        return backend.SpatialPooler(parameters, shape, seed)

    def stream(self, case: int) -> Stream:
        size = math.prod(pooler_case(case)[0])
        return random_stream(case, {"x": size}, 5, density=[0.02, 0.1, 0.3, 0.9][case % 4])

    def run(self, model: Any, stream: Stream, learn: bool = True) -> Outputs:
        return {"winners": model.run(stream.bits, stream.plan, learn)}

    def compute(self, model: Any, stream: Stream) -> Outputs:
        return {"winners": model.compute(stream.bits)}

    def numbers(self, model: Any, stream: Stream) -> list[Any]:
        overlaps: list[Any] = model.overlaps(stream.bits).tolist()
        return overlaps


TOPOLOGIES: Sequence[tuple[tuple[int, ...], tuple[int, ...] | None]] = (
    ((41,), None),
    ((9, 7), None),
    ((70,), (33,)),
    ((10, 9), (8, 9)),
    ((3, 17), (5, 31)),
    ((4, 5, 6), (3, 5, 5)),
)


def pooler_case(seed: int) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Return an input shape and settings drawn at random, local and global."""
    random = np.random.default_rng(seed)
    shape, grid = TOPOLOGIES[seed % len(TOPOLOGIES)]
    columns = math.prod(grid) if grid else int(random.integers(1, 700))
    settings: dict[str, Any] = {
        "columns": columns,
        "column_shape": grid,
        "potential_fraction": float(random.choice([0.3, 0.5, 1.0])),
        "stimulus_threshold": int(random.choice([1, 1, 2, 5])),
        "increment": float(random.choice([0.05, 0.3, 1.0])),
        "decrement": float(random.choice([0.008, 0.2, 1.0])),
        "boost_strength": float(random.choice([0.0, 3.0, 40.0])),
        "infer_boost": bool(random.integers(2)),
        "duty_period": int(random.choice([30, 100, 1000])),
        "weak_bump": float(random.choice([0.0, 0.01, 0.2])),
        "weak_fraction": float(random.choice([0.001, 0.5, 1.0])),
        "wrap": bool(random.integers(2)),
    }
    if grid and random.integers(3):
        settings |= {"inhibition": "local", "inhibition_radius": int(random.integers(1, 8))}
        settings["density"] = float(random.choice([0.01, 0.05, 0.3]))
    else:
        settings["winners"] = int(random.integers(1, max(2, columns // 5)))
    if grid and random.integers(2):
        settings["potential_radius"] = int(random.integers(1, 6))
    scope = np.random.default_rng([seed, columns])
    if grid and scope.integers(2):
        settings |= {"boost_scope": "local", "boost_radius": int(scope.integers(1, 9))}
        settings["boost_bits"] = int(scope.choice([8, 16, 30]))
    elif scope.integers(2):
        settings["boost_scope"] = "global"
    if scope.integers(2):
        settings |= {"push": float(scope.choice([0.001, 0.05, 0.6])), "inflection": 0.12}
    return shape, settings


class MemoryChecks(BackendChecks):
    """Checks of a backend's temporal memory, small and with tight limits."""

    pairs = range(40)

    def model(self, backend: Backend, case: int, seed: int) -> Any:
        parameters, stream = memory_case(case)
        return backend.TemporalMemory(parameters, stream.bits.size, seed)

    def stream(self, case: int) -> Stream:
        return memory_case(case)[1]

    def run(self, model: Any, stream: Stream, learn: bool = True) -> Outputs:
        return outputs_of(model.run(stream.bits, stream.plan, learn))

    def compute(self, model: Any, stream: Stream) -> Outputs:
        return outputs_of(model.compute(stream.bits, stream.plan.reset))

    def learned(self, model: Any, stream: Stream) -> Outputs:
        return {n: a for n, a in model.state().items() if n not in ("sample", "active", "winners")}

    def numbers(self, model: Any, stream: Stream) -> dict[str, int]:
        counters: dict[str, int] = model.counters()
        return counters


def memory_case(
    seed: int, samples: int = 150, window: int | None = None
) -> tuple[TemporalMemoryParameters, Stream]:
    """Return a small memory with tight limits, and noisy repeating sequences with resets."""
    r = np.random.default_rng(seed)
    columns, on = int(r.integers(8, 60)), int(r.integers(2, 8))
    bounded = np.random.default_rng([seed, columns])
    size = int(r.integers(3, 12))
    activation = int(r.integers(1, min(on, size) + 1))
    parameters = TemporalMemoryParameters(
        learn=True,
        cells_per_column=int(r.integers(1, 6)),
        activation_threshold=activation,
        matching_threshold=int(r.integers(1, activation + 1)),
        new_synapses=int(r.integers(1, size + 1)),
        segment_size=size,
        segments_per_cell=int(r.integers(1, 5)),
        segments_per_column=int(bounded.integers(1, 3)) if bounded.random() < 0.5 else None,
        connected=float(r.choice([0.2, 0.5])),
        initial_permanence=float(r.choice([0.1, 0.21, 0.5])),
        increment=float(r.choice([0.1, 0.3])),
        decrement=float(r.choice([0.05, 0.1, 0.3])),
        punishment=float(r.choice([0.0, 0.05, 0.2])),
    )
    elements = [[r.choice(columns, on, replace=False) for _ in range(5)] for _ in range(4)]
    stream = [e for _ in range(samples // 5 + 1) for e in elements[r.integers(4)]][:samples]
    noise = r.choice([0.0, 0.2])
    rows = []
    for e in stream:
        noisy = np.where(r.random(on) < noise, r.integers(0, columns, on), e)
        rows.append(np.unique(noisy) if r.random() > 0.03 else noisy[:0])
    plan = Plan.every(window or int(r.choice([1, 3, 10, 50])), samples)
    plan.reset[:] = r.random(samples) < 0.1
    bits = Bits.from_rows(columns, rows)
    return parameters, Stream({"columns": bits}, np.zeros(samples, np.int64), plan)


class ClassifierChecks(BackendChecks):
    """Checks of a backend's SDR classifier."""

    seeded = False

    def model(self, backend: Backend, case: int, seed: int) -> Any:
        size, classes = _classifier_case(case)
        decay = 30 if case % 3 == 1 else None
        parameters = SDRModelParameters(learning_rate=0.7, decay_samples=decay, learn=True)
        return backend.SDRClassifier(parameters, size, classes)

    def stream(self, case: int) -> Stream:
        size, classes = _classifier_case(case)
        return random_stream(case, {"now": size, "before": size}, classes)

    def run(self, model: Any, stream: Stream, learn: bool = True) -> Outputs:
        # Errors are of other bits than those that are classified, where horizons ask for it.
        before = stream.activity["before"]
        return {"scores": model.run(stream.bits, stream.targets, stream.plan, learn, before)}

    def compute(self, model: Any, stream: Stream) -> Outputs:
        return {"scores": model.compute(stream.bits)}

    def test_rows_are_changed_in_their_place(self, case: int) -> None:
        """As if all were taken out, changed and put back; it goes on learning from there."""
        stream, model, other = self.stream(case), self.make(case), self.make(case)
        for each in (model, other):
            self.run(each, stream)
        model.change(_turned, _halved)
        state = other.state()
        changed = {"weights": _turned(state["weights"]), "gradient": _halved(state["gradient"])}
        other.load(state | changed)
        assert_same(model.state(), other.state())
        assert_same(self.run(model, stream), self.run(other, stream))
        assert_same(model.state(), other.state())


def _turned(rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rows[:, ::-1])


def _halved(rows: np.ndarray) -> np.ndarray:
    return rows / np.float32(2)


def _classifier_case(case: int) -> tuple[int, int]:
    return (70, 33) if case % 2 else (40, 6)
