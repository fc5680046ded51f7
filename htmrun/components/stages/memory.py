"""A temporal memory in a pipeline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from htmrun.backends import Backend, CellActivity, State, tm_footprint
from htmrun.backends.bits import Bits
from htmrun.backends.cuda import footprint
from htmrun.backends.fixed_point import permanence
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.backends.plan import Flags, Plan
from htmrun.components.classifiers.scores import Activity
from htmrun.components.layout import Outputs, Shape
from htmrun.components.registry import register
from htmrun.components.stages import Stage
from htmrun.components.stages.permanences import histogram

MANY_REPEATS = 10
"""From so many repeats on, until a new synapse connects, it is worth a line."""


@register("stage", TemporalMemoryParameters)
class MemoryStage(Stage):
    """Columns to active cells; puts out `NAME.winners` and `NAME.predicted` too."""

    behind = "a temporal memory on an encoder or a spatial pooler"
    predicts = True
    size_field = "cells_per_column"

    def __init__(
        self, name: str, model: object, columns: int, cells_per_column: int, learn: bool = True
    ) -> None:
        super().__init__(name, model, learn)
        self.columns, self.cells_per_column = columns, cells_per_column
        self.active_columns = np.zeros(0, np.int64)

    @classmethod
    def build(
        cls, name: str, parameters: TemporalMemoryParameters, shape: Shape, seed: int,
        backend: Backend, learn: bool,
    ) -> MemoryStage:  # fmt: skip
        """Return a memory without segments; every input bit is a column."""
        columns = math.prod(shape)
        model = backend.TemporalMemory(parameters, columns, seed)
        return cls(name, model, columns, parameters.cells_per_column, learn)

    @classmethod
    def outputs(
        cls, name: str, parameters: TemporalMemoryParameters, shape: Shape | None
    ) -> Outputs:
        """Return the sizes of its active cells, winner cells and predicted columns."""
        if shape is None:
            return dict.fromkeys((name, f"{name}.winners", f"{name}.predicted"))
        columns = math.prod(shape)
        cells = (columns * parameters.cells_per_column,)
        return {name: cells, f"{name}.winners": cells, f"{name}.predicted": (columns,)}

    @classmethod
    def state_bytes(cls, parameters: TemporalMemoryParameters, shape: Shape) -> int:
        """Return what it takes at most, with as many segments as it may have."""
        return tm_footprint.memory(parameters, math.prod(shape))

    @classmethod
    def first_bytes(cls, parameters: TemporalMemoryParameters, shape: Shape) -> int:
        """Return what it takes without any segment."""
        return tm_footprint.empty(parameters, math.prod(shape))

    @classmethod
    def card_bytes(
        cls, parameters: TemporalMemoryParameters, shape: Shape, longest_window: int
    ) -> int:
        """Return the bytes of the model with as many segments as it may have, and of its chunk."""
        return footprint.memory(parameters, math.prod(shape))

    @classmethod
    def active(cls, parameters: TemporalMemoryParameters, shape: Shape, before: int) -> int:
        """Return how many cells are active where all columns burst."""
        return before * parameters.cells_per_column

    @classmethod
    def notes(
        cls, name: str, parameters: TemporalMemoryParameters, before: int, samples: int
    ) -> Iterator[str]:
        """Say what keeps it from ever predicting: too few cells to learn, or synapses too weak."""
        p = parameters
        if not p.learn:
            return
        most, why = min((before, "columns are active at a time"), (p.new_synapses, "new_synapses"))
        threshold, what = p.activation_threshold, "it predicts nothing, or by accident"
        if most < p.matching_threshold:
            threshold, what = p.matching_threshold, "no segment is found again, nothing predicted"
        named = "matching_threshold" if most < p.matching_threshold else "activation_threshold"
        if most < threshold:
            found = f"at most {most} {why}" if most == before else f"{name}.{why} is {most}"
            yield f"{name}.{named}: {threshold}, but {found}: {what}"
        missing = permanence(p.connected) - permanence(p.initial_permanence)
        step = permanence(p.increment)
        if missing > 0 and not step:
            yield f"{name}.increment: 0, so new synapses never connect: nothing is predicted"
        elif missing > 0 and (repeats := -(-missing // step)) >= MANY_REPEATS:
            yield (
                f"{name}.initial_permanence: {p.initial_permanence} is {repeats} increments below "
                f"{name}.connected = {p.connected}: nothing is predicted before it has come "
                f"{repeats + 1} times"
            )

    def run(self, before: Bits, plan: Plan, activity: Activity) -> Bits:
        """Return the active cells; learn as `plan` says.

        Keeps what the memory said in `cells`, and how many columns each sample had.
        """
        self.active_columns = before.counts()
        self.cells = self.model.run(before, plan, self.learn)
        return self._publish(self.cells, activity)

    def compute(self, before: Bits, reset: Flags, activity: Activity) -> Bits:
        """Return the active cells, going on from the present cell state; writes nothing."""
        return self._publish(self.model.compute(before, reset), activity)

    def counters(self) -> Mapping[str, int]:
        """Return the model's counts of segments and synapses."""
        counts: Mapping[str, int] = self.model.counters()
        return counts

    def describe(self, state: State, won: np.ndarray | None) -> dict[str, np.ndarray]:
        """Return permanences as a pooler does, and how many cells have 0, 1, ... segments."""
        owned = np.unique(state["segment_cell"], return_counts=True)[1]
        segments = np.bincount(owned, minlength=1)
        segments[0] = self.columns * self.cells_per_column - len(owned)
        return {
            "permanences": histogram(state["synapse_permanence"]),
            "segments_per_cell": segments.astype(np.int64),
        }

    def _publish(self, cells: CellActivity, activity: Activity) -> Bits:
        activity[self.name] = cells.active
        activity[f"{self.name}.winners"] = cells.winners
        activity[f"{self.name}.predicted"] = cells.predicted
        return cells.active
