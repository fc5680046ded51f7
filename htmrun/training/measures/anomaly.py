"""How unusual the latest anomaly scores are: the anomaly likelihood of a stream.

Raw score: the share of the active columns that nobody predicted. Likelihood: 1 - Q(z), where z
compares the mean of the last few raw scores with the mean and deviation of many (Ahmad, Lavin,
Purdy, Agha 2017, "Unsupervised real-time anomaly detection for streaming data", section 3.2). A
noisy stream bursts all the time; only more bursting than usual is unusual.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_ONE = 1 << 20
"""Raw scores are kept in units of 1 / _ONE: integer sums do not depend on how a stream is cut."""

_SCALE = -10.0
"""log10 of the smallest distance from 1 that `log_scale` tells apart."""


@dataclass(frozen=True)
class LikelihoodParameters:
    """long: raw scores of the usual distribution; short: of the present; silent: at the start.

    least_deviation keeps a stream that never surprises from calling everything unusual.
    """

    long: int = 8000
    short: int = 10
    silent: int = 388
    least_deviation: float = 0.03


class AnomalyLikelihood:
    """The likelihood of one stream; feed it raw scores in order, in pieces of any size."""

    def __init__(self, parameters: LikelihoodParameters | None = None) -> None:
        self.parameters = parameters or LikelihoodParameters()
        self._past = np.zeros(0, np.int64)
        self._seen = 0

    def add(self, raw: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the likelihood (0 to 1) after each raw score (0 to 1), both (T,).

        0.5, nothing known, for the first `silent` scores.
        """
        p = self.parameters
        new = np.rint(np.asarray(raw, np.float64) * _ONE).astype(np.int64)
        every = np.concatenate([self._past, new])
        sums = np.concatenate([[0], np.cumsum(every)])
        squares = np.concatenate([[0], np.cumsum(every**2)])
        end = np.arange(len(self._past), len(every)) + 1
        begin, near = np.maximum(end - p.long, 0), np.maximum(end - p.short, 0)
        count = end - begin
        total = sums[end] - sums[begin]
        mean = total / count / _ONE
        # count * sum of squares - total**2 needs more than 64 bits: floats of exact integers.
        variance = (squares[end] - squares[begin]) / count / _ONE**2 - mean**2
        deviation = np.maximum(np.sqrt(np.maximum(variance, 0.0)), p.least_deviation)
        z = ((sums[end] - sums[near]) / (end - near) / _ONE - mean) / deviation
        out = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in z])
        out[: max(0, p.silent - self._seen)] = 0.5
        self._past, self._seen = every[-p.long :], self._seen + len(new)
        return out


def out_of_range(values: npt.NDArray[np.float64], margin: float = 0.05) -> npt.NDArray[np.bool_]:
    """Flag values beyond everything before them by more than `margin` of its range, bool (T,).

    An encoder has no bits of its own for what it has never met, so a memory may miss it. Nothing
    is flagged while all values so far are equal.
    """
    out = np.zeros(len(values), np.bool_)
    if len(values) > 1:
        high, low = np.maximum.accumulate(values)[:-1], np.minimum.accumulate(values)[:-1]
        slack = (high - low) * margin
        out[1:] = (high > low) & ((values[1:] > high + slack) | (values[1:] < low - slack))
    return out


def log_scale(likelihood: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return log10(1 - likelihood) / -10, at most 1: .9999 is .4; thresholds become readable."""
    return np.log10(np.maximum(1 - likelihood, 10.0**_SCALE)) / _SCALE
