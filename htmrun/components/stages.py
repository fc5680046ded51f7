"""The learning stages between encoder and classifier, behind one pair of verbs.

A stage reads the bits of the stage before it and adds its own to the activity: under its
name, and the temporal memory also under `NAME.winners` and `NAME.predicted`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from htmrun.backends import CellActivity, SpatialPoolerBackend, State, TemporalMemoryBackend
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import SpatialPoolerParameters, TemporalMemoryParameters
from htmrun.backends.plan import Flags, Plan
from htmrun.components.classifiers.scores import Activity
from htmrun.components.registry import register


class Stage(Protocol):
    """A stage between the encoder and the classifier."""

    name: str

    @property
    def sizes(self) -> dict[str, int]:
        """How many bits it puts out, by the names under which it does."""
        ...

    def run(self, before: Bits, plan: Plan, activity: Activity) -> Bits:
        """Predict, learn and commit as `plan` says; return the main output."""
        ...

    def compute(self, before: Bits, reset: Flags, activity: Activity) -> Bits:
        """Return the main output from frozen state; writes nothing but `activity`."""
        ...

    def state(self) -> State: ...
    def load(self, state: State) -> None: ...


@register("stage", SpatialPoolerParameters)
@dataclass
class PoolerStage:
    """A spatial pooler in a pipeline; `learn` false: frozen in this arm; `shape`: columns' grid."""

    name: str
    model: SpatialPoolerBackend
    columns: int
    learn: bool
    shape: tuple[int, ...] | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """Its columns."""
        return {self.name: self.columns}

    def run(self, before: Bits, plan: Plan, activity: Activity) -> Bits:
        """Return the winner columns; learn as `plan` says."""
        activity[self.name] = self.model.run(before, plan, self.learn)
        return activity[self.name]

    def compute(self, before: Bits, reset: Flags, activity: Activity) -> Bits:
        """Return the winner columns; writes nothing."""
        activity[self.name] = self.model.compute(before)
        return activity[self.name]

    def state(self) -> State:
        """Return the model's canonical state."""
        return self.model.state()

    def load(self, state: State) -> None:
        """Take over a canonical state."""
        self.model.load(state)


@register("stage", TemporalMemoryParameters)
@dataclass
class MemoryStage:
    """A temporal memory in a pipeline; `learn` false: frozen in this arm."""

    name: str
    model: TemporalMemoryBackend
    columns: int
    cells_per_column: int
    learn: bool
    cells: CellActivity | None = None
    active_columns: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def sizes(self) -> dict[str, int]:
        """Its cells, active and winners, and its columns."""
        cells = self.columns * self.cells_per_column
        return {
            self.name: cells,
            f"{self.name}.winners": cells,
            f"{self.name}.predicted": self.columns,
        }

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

    def state(self) -> State:
        """Return the model's canonical state."""
        return self.model.state()

    def load(self, state: State) -> None:
        """Take over a canonical state."""
        self.model.load(state)

    def _publish(self, cells: CellActivity, activity: Activity) -> Bits:
        activity[self.name] = cells.active
        activity[f"{self.name}.winners"] = cells.winners
        activity[f"{self.name}.predicted"] = cells.predicted
        return cells.active
