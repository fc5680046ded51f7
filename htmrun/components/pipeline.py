"""The order of the stages, nothing else: encoder -> stages -> readout.

No stage feeds back into an earlier one, so a chunk of samples goes through the stages
one after the other and every result is what sample-by-sample running would give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends import State
from htmrun.backends.plan import Flags, Plan
from htmrun.backends.state import state_hash
from htmrun.components.classifiers import Readout
from htmrun.components.classifiers.horizons import piece
from htmrun.components.classifiers.scores import Activity, Scores
from htmrun.components.encoders import Encoder, Shapes
from htmrun.components.sources import Chunk
from htmrun.components.stages import Stage
from htmrun.errors import UserError


@dataclass(frozen=True)
class Outcome:
    """What a pipeline says of a chunk: bits by output, and scores by horizon."""

    activity: Activity
    scores: list[Scores]
    others: dict[str, list[Scores]] = field(default_factory=dict)
    """Scores of further columns that are forecast, by field."""

    def first(self, samples: int) -> Outcome:
        """Return what is said of the first `samples` of the chunk, as views."""
        activity = {name: piece(output, 0, samples) for name, output in self.activity.items()}
        others = {name: [s.first(samples) for s in scores] for name, scores in self.others.items()}
        return Outcome(activity, [s.first(samples) for s in self.scores], others)


class Raw:
    """Stands where a pipeline has no encoder: a field of the data as it is."""

    def __init__(self, field: str, shapes: Shapes) -> None:
        """Raises UserError where the data have no such field."""
        if field not in shapes:
            raise UserError(f"data: found {', '.join(shapes)}, expected a field '{field}'")
        self.field, self.shape = field, shapes[field]

    def encode(self, fields: Mapping[str, np.ndarray]) -> npt.NDArray[Any]:
        """Return the field's values, first axis T."""
        return fields[self.field]


class Pipeline:
    """Encoder, learning stages and readout of one arm with one seed."""

    def __init__(
        self,
        encoder: Encoder | Raw,
        stages: Sequence[Stage],
        readout: Readout,
        first: str = "encoder",
        others: Mapping[str, Readout] | None = None,
    ) -> None:
        """`first`: what the encoder is called in the configuration; `others`: further readouts.

        Each forecasts a further column from the same bits, by field.
        """
        self.others = dict(others or {})
        self.encoder, self.stages, self.readout = encoder, list(stages), readout
        self.first = first

    def run(self, chunk: Chunk, plan: Plan, encoded: Any = None) -> Outcome:
        """Predict, learn and commit, sample by sample, as `plan` says.

        encoded: the chunk's fields, where they were encoded before.
        """
        bits: Any = self.encoder.encode(chunk.fields) if encoded is None else encoded
        activity: Activity = {self.first: bits}
        for stage in self.stages:
            bits = stage.run(bits, plan, activity)
        others = {
            name: readout.answer(activity, chunk.others[name], plan)
            for name, readout in self.others.items()
        }
        return Outcome(activity, self.readout.answer(activity, chunk.target, plan), others)

    def compute(self, chunk: Chunk) -> Outcome:
        """Predict from frozen state; leaves no trace."""
        return self.compute_bits(self.encoder.encode(chunk.fields), chunk.reset)

    def activity(self, encoded: Any, reset: Flags) -> Activity:
        """Return what stands before the readout of encoded samples, by name; leaves no trace."""
        activity: Activity = {self.first: encoded}
        bits = encoded
        for stage in self.stages:
            bits = stage.compute(bits, reset, activity)
        return activity

    def compute_bits(self, encoded: Any, reset: Flags) -> Outcome:
        """Predict from encoded samples; leaves no trace."""
        activity = self.activity(encoded, reset)
        others = {n: readout.compute(activity, reset) for n, readout in self.others.items()}
        return Outcome(activity, self.readout.compute(activity, reset), others)

    def classes_of(self, target: np.ndarray) -> npt.NDArray[np.int64]:
        """Return the class of each target: itself, or the bucket of a value."""
        return self.readout.classes_of(target)

    @property
    def row_by_row(self) -> bool:
        """Whether `compute` says the same of a sample, to the byte, whatever else is in a chunk."""
        readouts = [self.readout, *self.others.values()]
        return all(part.row_by_row for part in self.parts) and all(
            readout.targets.horizons == (0,) for readout in readouts
        )

    @property
    def parts(self) -> list[Stage | Readout]:
        """The stages and the readouts."""
        return [*self.stages, self.readout, *self.others.values()]

    def state(self) -> State:
        """Return every array that a later result depends on, named STAGE/ARRAY."""
        return {f"{part.name}/{name}": a for part in self.parts for name, a in part.state().items()}

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        for part in self.parts:
            part.load(own_state(state, part.name))

    def figures(self, state: State) -> dict[str, float]:
        """Return the stages' figures at the end, named STAGE/FIGURE; `state` is its own."""
        return {
            f"{stage.name}/{name}": value
            for stage in self.stages
            for name, value in stage.figures(own_state(state, stage.name)).items()
        }

    def describe(self, state: State, won: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what the stages look like inside, named STAGE/WHAT.

        won: by stage, the share of the last fifth of the samples that each of its columns won.
        """
        return {
            f"{stage.name}/{name}": array
            for stage in self.stages
            for name, array in stage.describe(
                own_state(state, stage.name), won.get(stage.name)
            ).items()
        }

    def state_hash(self) -> str:
        """Return the SHA-256 of `state()`."""
        return state_hash(self.state())


def own_state(state: State, part: str) -> State:
    """Return the arrays of one part of a pipeline under its own names."""
    return {n.removeprefix(f"{part}/"): a for n, a in state.items() if n.startswith(f"{part}/")}
