"""A temporal memory in a pipeline."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from htmrun.backends import Backend, CellActivity, State, tm_footprint
from htmrun.backends.bits import Bits
from htmrun.backends.cuda import footprint
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.backends.plan import Flags, Plan
from htmrun.components.classifiers.scores import Activity
from htmrun.components.layout import Outputs, Shape
from htmrun.components.registry import register
from htmrun.components.stages import Stage
from htmrun.components.stages.permanences import histogram


@register("stage", TemporalMemoryParameters)
class MemoryStage(Stage):
    """Columns to active cells; puts out `NAME.winners` and `NAME.predicted` too."""

    behind = "a temporal memory on an encoder or a spatial pooler"
    predicts = True

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
    def card_bytes(
        cls, parameters: TemporalMemoryParameters, shape: Shape, longest_window: int
    ) -> int:
        """Return the bytes of the model with as many segments as it may have, and of its chunk."""
        return footprint.memory(parameters, math.prod(shape))

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
