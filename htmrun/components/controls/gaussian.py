"""How far a value lies from the mean of a sliding window: the windowed Gaussian."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from htmrun._imports import scipy
from htmrun.backends.parameters import PositiveFraction
from htmrun.components.controls import ControlParameters, Detector, Series, Values
from htmrun.components.likelihood import AnomalyParameters
from htmrun.components.registry import register


class GaussianParameters(ControlParameters):
    """Anomalies without learning: how far a value lies from the mean of a sliding window."""

    baseline: Literal["gaussian"] = Field(
        "gaussian", description="gaussian: distance from the mean of a sliding window."
    )
    window: int = Field(
        6400, ge=2, le=1 << 24, description="Values of which mean and deviation are taken."
    )
    step: int = Field(
        100,
        ge=1,
        le=1 << 24,
        description="Values by which a full window moves on at once; at most the window.",
    )
    alarm: PositiveFraction = Field(
        0.99999, description="Score from which a row is an alert, unless anomaly.choose finds one."
    )


@register("control", GaussianParameters)
class Gaussian(Detector):
    """The windowed Gaussian of the Numenta Anomaly Benchmark's published detectors.

    Score: the normal distribution function of |value - mean| / deviation, .5 to 1; 0 for the first.
    Until the window is full, mean and deviation are of all values before; then they stay until
    `step` values have come, which take the place of as many. A deviation of 0 counts as 1e-6 until
    the window is full; a value there that is not the mean scores 1.
    """

    parameters: GaussianParameters

    def score(self, series: Series) -> Values:
        """Return the scores, float64 (T,)."""
        values, p = series.values, self.parameters
        step, first = min(p.step, p.window), p.window
        out = np.zeros(len(values))
        mean, deviation = _growing(values[:first])
        grown = len(mean) - 1
        out[1 : grown + 1] = _tail(values[1 : grown + 1], mean[:grown], deviation[:grown])
        for begin in range(first, len(values), step):
            held = values[begin - first : begin]
            rows = slice(begin, min(begin + step, len(values)))
            out[rows] = _tail(values[rows], held.mean(), held.std())
        return out

    def judged_by(self, anomaly: AnomalyParameters) -> AnomalyParameters:
        """Return that the score itself is compared."""
        alarm = self.parameters.alarm if anomaly.choose == "fixed" else None
        own = {"score": "raw", "out_of_range": None, "threshold": alarm}
        return anomaly.model_copy(update=own)


def _growing(values: Values) -> tuple[Values, Values]:
    """Return mean and deviation of the first 1, 2, ... values, (T,)."""
    base = values[0] if len(values) else 0.0
    off, count = values - base, np.arange(1, len(values) + 1)
    mean = np.cumsum(off) / count
    variance = np.maximum(np.cumsum(off**2) / count - mean**2, 0.0)
    return mean + base, np.where(variance > 0, np.sqrt(variance), 1e-6)


def _tail(values: Values, mean: Values | np.float64, deviation: Values | np.float64) -> Values:
    distance = np.abs(values - mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(distance > 0, distance / deviation, 0.0)
    return 1 - 0.5 * np.asarray(scipy.special.erfc(z / np.sqrt(2.0)))
