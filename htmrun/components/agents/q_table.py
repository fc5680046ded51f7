"""Q-learning in a table: a control that knows nothing of bits.

Source: Watkins, Dayan 1992; Sutton, Barto 2018, section 6.5.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from htmrun.backends import State
from htmrun.backends.parameters import Fraction, Parameters
from htmrun.backends.state import checked
from htmrun.components.agents import Agent, Policy, Step, exploring
from htmrun.components.classifiers import Site, Targets
from htmrun.components.environments import Observation
from htmrun.components.layout import Layout
from htmrun.components.registry import register
from htmrun.errors import UserError

MOST_CELLS = 1 << 24


class QTableParameters(Parameters):
    """Q-learning in a table of discretised states (Watkins, Dayan 1992)."""

    kind: Literal["q_table"] = "q_table"
    bins: int = Field(8, ge=1, le=10_000, description="Parts into which each range is cut.")
    rate: float = Field(0.2, gt=0.0, le=1.0, description="Share of an error that is corrected.")
    discount: Fraction = Field(0.98, description="What a reward is worth a step later.")
    explore: Fraction = Field(0.1, description="How often it does anything.")


@register("readout", QTableParameters)
class QTable(Agent):
    """Q(s, a) += rate * (r + discount * max Q(s', .) - Q(s, a)), added up within a window."""

    size_field = "bins"

    def __init__(self, parameters: QTableParameters, site: Site) -> None:
        super().__init__(parameters, site)
        source = self.environment
        self._low, high = np.array([source.ranges[name] for name in source.names]).T
        self._scale = parameters.bins / (high - self._low)
        cells = parameters.bins ** len(source.names) * self.actions
        if cells > MOST_CELLS:
            raise UserError(
                f"{site.name}.bins: {parameters.bins} bins of {len(source.names)} fields make "
                f"{cells:,} values, expected at most {MOST_CELLS:,}"
            )
        self._shape = (parameters.bins,) * len(source.names)
        self._table = np.zeros((int(np.prod(self._shape)), self.actions))
        self._pending: list[tuple[int, int, float]] = []

    @classmethod
    def state_bytes(cls, parameters: QTableParameters, front: Layout, targets: Targets) -> int:
        """Return the bytes of the table."""
        shape = front.shape
        fields = shape[0] if shape else 1
        return int(8 * min(parameters.bins**fields * targets.classes, MOST_CELLS))

    def policy(self, observation: Observation) -> Policy:
        """Return mostly the best action; of equal ones the first."""
        best = int(self._table[self._cell(observation)].argmax())
        explore = self.parameters.explore if self.learn else 0.0
        return exploring(best, self.actions, explore)

    def hear(self, step: Step) -> None:
        """Correct the value of what was done."""
        if not self.learn:
            return
        p, cell = self.parameters, self._cell(step.before)
        ahead = 0.0 if step.over else p.discount * float(self._table[self._cell(step.after)].max())
        error = step.reward + ahead - float(self._table[cell, step.action])
        self._pending.append((cell, step.action, p.rate * error))
        if step.commit:
            for place, action, change in self._pending:
                self._table[place, action] += change
            self._pending = []

    def learned(self) -> State:
        """Return the table, and changes that wait."""
        columns = list(zip(*self._pending, strict=True)) or [(), (), ()]
        return {
            "table": self._table.copy(),
            "pending_cells": np.array(columns[0], np.int64),
            "pending_actions": np.array(columns[1], np.int64),
            "pending_changes": np.array(columns[2], np.float64),
        }

    def take(self, learned: State) -> None:
        """Take over what `learned()` returned."""
        names = ("pending_cells", "pending_actions", "pending_changes")
        taken = checked(learned, self.learned(), frozenset(names))
        self._table = taken["table"]
        self._pending = list(zip(*(taken[name].tolist() for name in names), strict=True))

    def _cell(self, observation: Observation) -> int:
        place = ((observation - self._low) * self._scale).astype(np.int64)
        place = np.clip(place, 0, self.parameters.bins - 1)
        return int(np.ravel_multi_index(tuple(place), self._shape))
