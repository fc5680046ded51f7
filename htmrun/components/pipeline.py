"""The order of the stages, nothing else: encoder -> stages -> classifier.

No stage feeds back into an earlier one, so a chunk of samples goes through the stages
one after the other and every result is what sample-by-sample running would give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from htmrun.backends import State
from htmrun.backends.bits import Bits
from htmrun.backends.plan import Flags, Plan
from htmrun.backends.state import state_hash
from htmrun.components.classifiers.buckets import Buckets
from htmrun.components.classifiers.scores import Activity, Scores
from htmrun.components.encoders import Encoder
from htmrun.components.sources import Chunk
from htmrun.components.stages import Stage

ENCODER, PREDICTOR = "encoder", "classifier"


class Predictor(Protocol):
    """The last stage."""

    def run(
        self, activity: Activity, targets: npt.NDArray[np.int64], plan: Plan, learn: bool = True
    ) -> list[Scores]: ...
    def compute(self, activity: Activity, reset: Flags) -> list[Scores]: ...
    def state(self) -> State: ...
    def load(self, state: State) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """What a pipeline says of a chunk: bits by stage, and scores by horizon."""

    activity: Activity
    scores: list[Scores]


class Pipeline:
    """Encoder, learning stages and classifier of one arm with one seed."""

    def __init__(
        self,
        encoder: Encoder,
        stages: Sequence[Stage],
        predictor: Predictor,
        *,
        buckets: Buckets | None = None,
        predictor_learns: bool = True,
        ends: tuple[str, str] = (ENCODER, PREDICTOR),
    ) -> None:
        """`ends`: what the encoder and the predictor are called in the configuration."""
        self.encoder, self.stages, self.predictor = encoder, list(stages), predictor
        self.buckets, self._predictor_learns = buckets, predictor_learns
        self._encoder_name, self._predictor_name = ends

    def run(self, chunk: Chunk, plan: Plan) -> Outcome:
        """Predict, learn and commit, sample by sample, as `plan` says."""
        bits = self.encoder.encode(chunk.fields)
        activity: Activity = {self._encoder_name: bits}
        for stage in self.stages:
            bits = stage.run(bits, plan, activity)
        scores = self.predictor.run(
            activity, self.classes_of(chunk.target), plan, self._predictor_learns
        )
        return Outcome(activity, scores)

    def compute(self, chunk: Chunk) -> Outcome:
        """Predict from frozen state; leaves no trace."""
        return self.compute_bits(self.encoder.encode(chunk.fields), chunk.reset)

    def compute_bits(self, encoded: Bits, reset: Flags) -> Outcome:
        """Predict from encoded samples; leaves no trace."""
        activity: Activity = {self._encoder_name: encoded}
        bits = encoded
        for stage in self.stages:
            bits = stage.compute(bits, reset, activity)
        return Outcome(activity, self.predictor.compute(activity, reset))

    def classes_of(self, target: np.ndarray) -> npt.NDArray[np.int64]:
        """Return the class of each target: itself, or the bucket of a value."""
        if self.buckets is None:
            return np.asarray(target, np.int64)
        return self.buckets.index(np.asarray(target, np.float64))

    def state(self) -> State:
        """Return every array that a later result depends on, named STAGE/ARRAY."""
        parts = {stage.name: stage.state() for stage in self.stages}
        parts[self._predictor_name] = self.predictor.state()
        return {f"{part}/{name}": a for part, named in parts.items() for name, a in named.items()}

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        for stage in self.stages:
            stage.load(_of(state, stage.name))
        self.predictor.load(_of(state, self._predictor_name))

    def state_hash(self) -> str:
        """Return the SHA-256 of `state()`."""
        return state_hash(self.state())


def _of(state: State, part: str) -> State:
    return {n.removeprefix(f"{part}/"): a for n, a in state.items() if n.startswith(f"{part}/")}
