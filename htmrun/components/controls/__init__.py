"""Controls: forecasts without a temporal memory, which show what a metric is worth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from htmrun.backends.parameters import Parameters
from htmrun.components.likelihood import AnomalyParameters
from htmrun.components.sources import Source
from htmrun.components.sources.steps import Step, Times

Values = npt.NDArray[np.float64]
Ages = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class ControlParameters(Parameters):
    """What controls that are no arms have in common: the field `baseline` names their kind."""


@dataclass(frozen=True)
class Series:
    """A whole series as a control sees it, each array (T,).

    values: what a model is given, a missing one filled in. known: False where it was. age:
    samples of the same sequence before each. times: when, and the usual step; None without dates.
    """

    values: Values
    known: Flags
    age: Ages
    times: Times | None = None
    step: Step | None = None


class Control(ABC):
    """Forecasts each value of a series from the values before it."""

    def __init__(self, parameters: Any, source: Source, path: str) -> None:
        """`path`: where the parameters stand, which begins the UserError for what cannot be."""
        self.parameters, self.path = parameters, path

    @abstractmethod
    def forecast(self, series: Series, horizon: int) -> Values:
        """Return the forecast of each of the values (T,) made `horizon` samples before it.

        NaN where nothing can be said.
        """

    forecasts: ClassVar[bool] = True
    """Whether it forecasts at all; those that do not score anomalies alone."""

    def score(self, series: Series) -> Values:
        """Return how strange each value is, float64 (T,), 0 to 1.

        Of a forecast: its error one sample ahead, as a share of the range of the values so far, at
        most 1; 0 where nothing was forecast.
        """
        values = series.values
        error = np.abs(values - self.forecast(series, 1))
        width = np.maximum.accumulate(values) - np.minimum.accumulate(values)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(error > 0, np.minimum(error / width, 1.0), 0.0)
        return np.where(np.isnan(error), 0.0, share)

    def judged_by(self, anomaly: AnomalyParameters) -> AnomalyParameters:
        """Return what its scores are judged by: what the experiment says, as those of an arm.

        The rule for values out of range is left to the control of that name.
        """
        return anomaly.model_copy(update={"out_of_range": None})

    def lacking(self, series: Series) -> str:
        """Return why it forecasts nothing of a series of which it forecasts nothing."""
        return f"{int(series.age.max(initial=-1)) + 1} samples are too few"


class Detector(Control):
    """Scores anomalies and forecasts nothing."""

    forecasts = False

    def forecast(self, series: Series, horizon: int) -> Values:
        """Return that nothing is forecast."""
        return np.full(len(series.values), np.nan)

    @abstractmethod
    def score(self, series: Series) -> Values:
        """Return how strange each value is, float64 (T,), 0 to 1."""

    @abstractmethod
    def judged_by(self, anomaly: AnomalyParameters) -> AnomalyParameters:
        """Return what its scores are judged by; anomaly: what the experiment says."""


def lagged(series: Series, lag: int) -> Values:
    """Return the value `lag` samples earlier, NaN where that is of another sequence."""
    values = series.values
    found = np.full(len(values), np.nan)
    found[lag:] = values[: max(0, len(values) - lag)]
    found[series.age < lag] = np.nan
    return found
