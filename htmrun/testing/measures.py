"""What every measure keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from htmrun.components.sources import open_source
from htmrun.config.compose import load
from htmrun.errors import StopRequestedError
from htmrun.execution.jobs import Builder, jobs_of
from htmrun.testing.streams import assert_same
from htmrun.training import trainer
from htmrun.training.checkpoints import Checkpoints
from htmrun.training.measures.measure import Measure, Run, find
from htmrun.training.measures.registry import table
from htmrun.training.records import Finished

SMALL = ("experiment=digits", "sp.columns=64", "seeds=[0]", "epochs=2", "arms=[minibatch]",
         "curve_points=5", "evaluate_every=300", "data.test_fraction=0.6")  # fmt: skip


class MeasureChecks:
    """Checks of a measure in a small job on this processor.

    measure: its class, which is registered. overrides: of an experiment with one arm and seed, in
    which it has something to say.
    """

    measure: ClassVar[type[Measure]]
    overrides: ClassVar[Sequence[str]] = SMALL

    @pytest.fixture(scope="class")
    def builder(self) -> Builder:
        """What runs the job."""
        experiment = load(list(self.overrides)).experiment
        return Builder(experiment, open_source(experiment.data))

    @pytest.fixture(scope="class")
    def finished(self, builder: Builder) -> Finished:
        """The end of the job."""
        return finish(builder)

    def test_every_metric_has_one_row(self, finished: Finished) -> None:
        """Of all measures together; and this one has said something."""
        for name, value in finished.metrics.items():
            rows = [row for row in table() if row.matches(name)]
            assert len(rows) == 1 or (not rows and find(table(), name)), name
            assert isinstance(value, float)
            assert not math.isinf(value), name
        assert self._own(finished, timed=True), "it said nothing in this job"

    def test_chunks_do_not_show(
        self, builder: Builder, finished: Finished, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trainer, "CHUNK", 37)
        self._assert_same(finish(builder), finished)

    def test_stops_do_not_show(
        self, builder: Builder, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The job is stopped again and again, and goes on from its checkpoint."""
        monkeypatch.setattr(trainer, "CHUNK", 300)
        kept = replace(builder, checkpoints=Checkpoints(tmp_path, "the same job", 1e9))
        for pieces in (1, 2, 1):
            with pytest.raises(StopRequestedError):
                finish(kept, pieces)
        assert list(tmp_path.iterdir()), "no checkpoint was written"
        self._assert_same(finish(kept), finished)

    def test_the_pipeline_is_left_as_it_was(
        self, builder: Builder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("begin", "chunk", "look", "finish"):
            monkeypatch.setattr(self.measure, name, _watched(getattr(self.measure, name)))
        finish(builder)

    def _own(self, finished: Finished, timed: bool = False) -> dict[str, float]:
        found = {n: find(self.measure.metrics, n) for n in finished.metrics}
        return {n: finished.metrics[n] for n, row in found.items() if row and timed >= row.timed}

    def _assert_same(self, one: Finished, other: Finished) -> None:
        a, b = ({n: np.float64(v) for n, v in self._own(f).items()} for f in (one, other))
        assert_same(_arrays(a), _arrays(b))
        assert one.state_hash == other.state_hash


def _arrays(numbers: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(number) for name, number in numbers.items()}


def _watched(hook: Any) -> Any:
    def watched(measure: Measure, run: Run, *more: Any) -> Any:
        before = run.pipeline.state_hash()
        said = hook(measure, run, *more)
        assert run.pipeline.state_hash() == before, f"{hook.__name__} changed the pipeline"
        return said

    return watched


def finish(builder: Builder, pieces: int | None = None) -> Finished:
    """Run the job of a builder to its end, or raise StopRequestedError after so many pieces."""
    done = iter(range(1 << 60))
    job = jobs_of(builder.experiment)[0]
    *_, last = builder.work(job)(lambda: pieces is not None and next(done) >= pieces)
    assert isinstance(last, Finished)
    return last
