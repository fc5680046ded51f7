"""A spatial pooler in a pipeline."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from htmrun.backends import Backend, State
from htmrun.backends.bits import Bits
from htmrun.backends.cuda import footprint
from htmrun.backends.fixed_point import DUTY_ONE
from htmrun.backends.parameters import SpatialPoolerParameters, round_half_up
from htmrun.backends.plan import Flags, Plan
from htmrun.components.classifiers.scores import Activity
from htmrun.components.layout import Outputs, Shape, Window
from htmrun.components.registry import register
from htmrun.components.stages import Stage
from htmrun.components.stages.permanences import histogram
from htmrun.errors import UserError

MOST_COLUMNS = 1 << 16
"""Of larger layers no figure of each column is kept."""


@register("stage", SpatialPoolerParameters)
class PoolerStage(Stage):
    """Bits to winner columns; `shape`: the columns' grid."""

    row_by_row = competes = True
    size_field = "columns"

    def __init__(
        self, name: str, model: object, columns: int, learn: bool = True, shape: Shape | None = None
    ) -> None:
        super().__init__(name, model, learn)
        self.columns, self.shape = columns, shape or (columns,)

    @classmethod
    def build(
        cls, name: str, parameters: SpatialPoolerParameters, shape: Shape, seed: int,
        backend: Backend, learn: bool,
    ) -> PoolerStage:  # fmt: skip
        """Return a fresh spatial pooler; UserError where a pool would be empty."""
        try:
            model = backend.SpatialPooler(parameters, shape, seed)
        except ValueError as error:
            raise UserError(f"{name}.{error}") from None
        return cls(name, model, parameters.columns, learn, parameters.column_shape)

    @classmethod
    def outputs(
        cls, name: str, parameters: SpatialPoolerParameters, shape: Shape | None
    ) -> Outputs:
        """Return the shape of its columns."""
        return {name: parameters.column_shape or (parameters.columns,)}

    @classmethod
    def state_bytes(cls, parameters: SpatialPoolerParameters, shape: Shape) -> int:
        """Count permanences, the compiled backend's connected bits, four words per column."""
        size = math.prod(shape)
        return parameters.columns * (size * 2 + size // 8 + 16)

    @classmethod
    def card_bytes(
        cls, parameters: SpatialPoolerParameters, shape: Shape, longest_window: int
    ) -> int:
        """Return the bytes of the model and of the windows and chunks that it keeps."""
        return footprint.pooler(parameters, shape, longest_window)

    @classmethod
    def windows(cls, name: str, parameters: SpatialPoolerParameters) -> Iterator[Window]:
        """Yield its duty cycles' period, if it learns."""
        if parameters.learn:
            yield Window(name, parameters.duty_period)

    @classmethod
    def problems(
        cls, name: str, parameters: SpatialPoolerParameters, shape: Shape | None
    ) -> Iterator[str]:
        """Say where potential pools would be empty."""
        if shape is None or parameters.potential_radius is not None:
            return
        size = math.prod(shape)
        if round_half_up(parameters.potential_fraction * size) < 1:
            yield (
                f"{name}.potential_fraction: {parameters.potential_fraction} of {size} inputs "
                f"makes a pool of 0, expected at least {0.5 / size:.3g}"
            )

    @classmethod
    def active(cls, parameters: SpatialPoolerParameters, shape: Shape, before: int) -> int:
        """Return the number of winners, of local inhibition about that."""
        return parameters.active_columns

    @classmethod
    def notes(
        cls, name: str, parameters: SpatialPoolerParameters, before: int, samples: int
    ) -> Iterator[str]:
        """Say where duty cycles average over more than there is."""
        p = parameters
        if p.learn and (p.boost_strength or p.weak_bump) and p.duty_period > samples:
            yield (
                f"{name}.duty_period: {p.duty_period} is more than the {samples} samples there "
                "are: duty cycles, which boosting follows, do not settle"
            )

    def run(self, before: Bits, plan: Plan, activity: Activity) -> Bits:
        """Return the winner columns; learn as `plan` says."""
        winners: Bits = self.model.run(before, plan, self.learn)
        activity[self.name] = winners
        return winners

    def compute(self, before: Bits, reset: Flags, activity: Activity) -> Bits:
        """Return the winner columns; writes nothing."""
        winners: Bits = self.model.compute(before)
        activity[self.name] = winners
        return winners

    def figures(self, state: State) -> dict[str, float]:
        """Return quantiles of the columns' boost factors."""
        levels = {"boost_p05": 0.05, "boost_p50": 0.5, "boost_p95": 0.95}
        found = np.quantile(state["boost"], [*levels.values()])
        return dict(zip(levels, map(float, found), strict=True))

    def describe(self, state: State, won: np.ndarray | None) -> dict[str, np.ndarray]:
        """Return permanences, and of each column what it is like.

        permanences: int64 (50,), potential synapses by permanence; duty, boost, activity: float32
        (columns,), active duty cycle, boost factor, `won`; shape: int64, the columns' grid.
        """
        found = {"permanences": histogram(state["permanences"])}
        if self.columns > MOST_COLUMNS:
            return found
        duty = state["active_duty"].astype(np.float64) / DUTY_ONE
        found |= {
            "duty": duty.astype(np.float32),
            "boost": state["boost"].astype(np.float32),
            "shape": np.array(self.shape, np.int64),
        }
        return found if won is None else found | {"activity": won.astype(np.float32)}
