"""A pipeline under its arm's schedule, untrained or as a job left it: it learns and predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends import State
from htmrun.backends.plan import Plan
from htmrun.components.classifiers.scores import Scores
from htmrun.components.pipeline import Pipeline, Raw
from htmrun.components.sources import Chunk
from htmrun.config.schema import Arm
from htmrun.errors import UserError, nearest
from htmrun.execution.jobs import Builder
from htmrun.execution.playing import schedule_of
from htmrun.training.measures.meters import raw_scores
from htmrun.training.schedule import Cursor, Schedule

PIECE = 1024
"""Samples that a model takes at once; the number shows in no result."""


@dataclass
class Model:
    """A pipeline under its arm's schedule; `cursor` is its place in the schedule."""

    pipeline: Pipeline
    schedule: Schedule
    cursor: Cursor = field(default_factory=Cursor)

    @classmethod
    def of(cls, builder: Builder, arm: str, seed: int) -> Model:
        """Return the fresh model of an arm and seed; raises UserError for what has none."""
        experiment = builder.experiment
        known = {
            name: regime
            for name in experiment.selected
            if isinstance(regime := experiment.regime(name), Arm)
        }
        if arm not in known:
            raise UserError(
                f"arm: found '{arm}', expected one with a pipeline, one of {', '.join(known)}"
                f"{nearest(arm, known)}"
            )
        return cls(builder.pipeline(known[arm], seed), schedule_of(known[arm]))

    def fit(
        self, samples: Chunk | Mapping[str, npt.ArrayLike] | npt.ArrayLike,
        target: npt.ArrayLike | None = None, *, reset: npt.ArrayLike | None = None,
        last: bool = False,
    ) -> np.ndarray:  # fmt: skip
        """Learn samples in their order and return what was predicted of each before that.

        Of a pipeline without classifier: their raw anomaly scores, float64 (T,), 0 to 1.

        samples: a chunk, or fields by name, or the one field that the data have, first axis T;
        then `target` (T,) are classes or values, and `reset` (T,) is 1 where a sequence starts.
        last: an epoch ends with them, a window that is open commits. Raises UserError.
        """
        whole = self._chunk(samples, target, reset, taught=True)
        ends = np.zeros(len(whole), np.uint8)
        ends[-1:] = last
        plan, self.cursor = self.schedule.plan(self.cursor, whole.reset, ends)
        starts = range(0, max(len(whole), 1), PIECE)
        answers = [
            self._learned(whole.slice(at, at + PIECE), plan.slice(at, at + PIECE)) for at in starts
        ]
        return np.concatenate(answers)

    def predict(
        self, samples: Chunk | Mapping[str, npt.ArrayLike] | npt.ArrayLike,
        *, horizon: int | None = None, reset: npt.ArrayLike | None = None,
    ) -> np.ndarray:  # fmt: skip
        """Return the likeliest class of each sample, or the forecast of its value, (T,).

        Nothing is learned. horizon: samples ahead of the prediction, None: the least. Where no
        prediction was made (a stream's first samples) it is -1, of a forecast NaN.
        """
        return self._answers(self._scores(samples, horizon, reset))

    def probabilities(
        self, samples: Chunk | Mapping[str, npt.ArrayLike] | npt.ArrayLike,
        *, horizon: int | None = None, reset: npt.ArrayLike | None = None,
    ) -> npt.NDArray[np.float32]:  # fmt: skip
        """Return the probability of each class, or of each bucket of a forecast, (T, classes)."""
        return self._scores(samples, horizon, reset).probability

    def state(self) -> State:
        """Return every array that a later result depends on, named STAGE/ARRAY."""
        return self.pipeline.state()

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        self.pipeline.load(state)

    def state_hash(self) -> str:
        """Return the SHA-256 of `state()`."""
        return self.pipeline.state_hash()

    def _scores(self, samples: Any, horizon: int | None, reset: Any) -> Scores:
        if not self.pipeline.readout.targets.horizons:
            raise UserError(
                "predict: found a pipeline without classifier, expected one that predicts; `fit` "
                "returns anomaly scores"
            )
        scores = self.pipeline.compute(self._chunk(samples, None, reset)).scores
        for one in scores:
            if horizon in (None, one.horizon):
                return one
        known = ", ".join(str(one.horizon) for one in scores)
        raise UserError(f"horizon: found {horizon}, expected one of {known}")

    def _learned(self, samples: Chunk, plan: Plan) -> np.ndarray:
        """Learn samples; return what was predicted of them, or how strange they were."""
        scores = self.pipeline.run(samples, plan).scores
        if scores:
            return self._answers(scores[0])
        memory = [stage for stage in self.pipeline.stages if stage.predicts][-1]
        assert memory.cells is not None
        return raw_scores(memory.cells.hits, memory.active_columns)

    def _answers(self, scores: Scores) -> np.ndarray:
        targets = self.pipeline.readout.targets
        if targets.buckets is None:
            return np.where(scores.valid, scores.probability.argmax(1), -1)
        values = np.full(len(scores.valid), np.nan)
        values[scores.valid] = scores.take(scores.valid).estimate(targets.estimate)
        return values

    def _chunk(self, samples: Any, target: Any, reset: Any, *, taught: bool = False) -> Chunk:
        """Return samples as a chunk; UserError where a field is missing or lengths differ."""
        if isinstance(samples, Chunk):
            return samples
        encoder = self.pipeline.encoder
        read = (encoder.field,) if isinstance(encoder, Raw) else encoder.fields
        further = tuple(self.pipeline.others) if taught else ()
        if not isinstance(samples, Mapping):
            if len(read) > 1:
                raise UserError(f"samples: found one array, expected fields {', '.join(read)}")
            samples = {read[0]: samples}
        fields = {name: np.asarray(values) for name, values in samples.items()}
        lacking = [name for name in (*read, *further) if name not in fields]
        if lacking or (taught and target is None):
            missing = lacking[0] if lacking else "target"
            raise UserError(f"{missing}: found none, expected an array of as many samples")
        count = len(fields[read[0]])
        target = np.zeros(count, np.int64) if target is None else np.asarray(target)
        reset = np.zeros(count, np.uint8) if reset is None else np.asarray(reset, np.uint8)
        for name, array in (*fields.items(), ("target", target), ("reset", reset)):
            if len(array) != count:
                raise UserError(f"{name}: found {len(array)} samples, expected {count}")
        # What is learned of further columns is what their encoders read.
        others = {name: fields[name].astype(np.float64) for name in further}
        return Chunk(fields, target, reset, np.ones(count, np.uint8), others)
