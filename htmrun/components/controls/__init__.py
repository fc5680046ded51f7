"""Controls: forecasts without learning, which show what a metric is worth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends.parameters import Parameters
from htmrun.components.sources import Source

Values = npt.NDArray[np.float64]
Ages = npt.NDArray[np.int64]


class ControlParameters(Parameters):
    """What controls without learning have in common: the field `baseline` names their kind."""


class Control(ABC):
    """Forecasts each value of a series from the values before it."""

    def __init__(self, parameters: Any, source: Source, path: str) -> None:
        """`path`: where the parameters stand, which begins the UserError for what cannot be."""
        self.parameters = parameters

    @abstractmethod
    def forecast(self, values: Values, age: Ages, horizon: int) -> Values:
        """Return the forecast of each of the values (T,) made `horizon` samples before it.

        age (T,): samples of the same sequence before each. NaN where nothing can be said.
        """


def lagged(values: Values, age: Ages, lag: int) -> Values:
    """Return the value `lag` samples earlier, NaN where that is of another sequence."""
    found = np.full(len(values), np.nan)
    found[lag:] = values[: max(0, len(values) - lag)]
    found[age < lag] = np.nan
    return found
