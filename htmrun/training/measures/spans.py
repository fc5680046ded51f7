"""Which forecasts reach as far in time as their horizon says, where horizons are time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from htmrun.backends.plan import Flags
from htmrun.components.classifiers.horizons import ages
from htmrun.components.sources import Source
from htmrun.components.sources.steps import Places, Step, Times, step_of
from htmrun.errors import UserError
from htmrun.training.measures.measure import Saved


class Spans:
    """Flags, horizon by horizon, the samples that lie exactly so many usual steps behind another.

    A model forecasts so many rows ahead. Where a row is missing that is longer than it says; where
    `data.horizon_unit` is time such forecasts do not count.
    """

    def __init__(self, horizons: Iterable[int], step: Step) -> None:
        self.horizons, self.step = tuple(sorted(horizons)), step
        self._past: Places = np.zeros(0, np.int64)
        self._since_reset = 0

    @classmethod
    def of(cls, source: Source, horizons: Iterable[int]) -> Spans | None:
        """Return what flags the samples of a source; None where horizons are rows, or none."""
        if source.horizon_unit == "rows" or not tuple(horizons):
            return None
        step = step_of(source)
        if step is None:
            raise UserError(
                "data.horizon_unit: found time and no dates that go forward, expected rows"
            )
        return cls(horizons, step)

    def due(self, times: Times, reset: Flags) -> dict[int, npt.NDArray[np.bool_]]:
        """Return by horizon which of the next samples count, bool (T,); times (T,): when."""
        age = ages(reset, self._since_reset)
        here = self.step.places(times)
        every = np.concatenate([self._past, here])
        found = {}
        for h in self.horizons:
            before = np.arange(len(every) - len(here), len(every)) - h
            exact = here - every[np.maximum(before, 0)] == h * self.step.count
            found[h] = exact & (before >= 0) & (age >= h)
        self._past = every[max(0, len(every) - max(self.horizons)) :]
        self._since_reset = int(age[-1]) + 1 if len(age) else self._since_reset
        return found

    def state(self) -> Saved:
        """Return what is remembered of the samples before."""
        return {"past": self._past, "since_reset": self._since_reset}

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned."""
        self._past, self._since_reset = saved["past"], saved["since_reset"]
