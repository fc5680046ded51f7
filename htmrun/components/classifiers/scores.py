"""What a classifier says of the samples of a chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from htmrun.backends.bits import Bits
from htmrun.components.classifiers.buckets import inside, place, quantiles, quantiles_of_one

Estimate = Literal["mean", "median", "mode"]
Activity = dict[str, Any]
"""Bits by the name of the output; without an encoder an array under the field's name."""


def read(activity: Activity, names: Sequence[str]) -> Bits:
    """Return the bits of several outputs, one beside the other."""
    parts: list[Bits] = [activity[name] for name in names]
    return parts[0] if len(parts) == 1 else Bits.beside(parts)


@dataclass(frozen=True)
class Scores:
    """Predictions of T samples, each made `horizon` samples earlier.

    probability: float32 (T, classes); valid: bool (T,), False where no prediction was made
    (the first samples of a stream, or the first after a reset). ranges: of forecasts, lowest and
    highest end of the buckets when each was made, float64 (T, 2); these may widen.
    """

    horizon: int
    probability: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    ranges: npt.NDArray[np.float64] | None = None

    def estimate(self, kind: Estimate) -> npt.NDArray[np.float64]:
        """Return each forecast as a number, float64 (T,): see `Buckets.estimate`."""
        low, width = self._grid
        return low + width * inside(self.probability, kind)

    def quantile(self, share: float) -> npt.NDArray[np.float64]:
        """Return the value below which `share` of each forecast lies, float64 (T,)."""
        return self.quantiles((share,))[0]

    def quantiles(self, shares: Sequence[float]) -> npt.NDArray[np.float64]:
        """Return `quantile` for each of several shares, float64 (shares, T)."""
        low, width = self._grid
        return np.asarray(low + width * quantiles(self.probability, shares))

    def of_one(self, shares: Sequence[float]) -> list[float]:
        """Return what `quantiles` does of a single forecast, as numbers."""
        assert self.ranges is not None, "a forecast has buckets"
        low, high = self.ranges[0].tolist()
        width = (high - low) / self.probability.shape[1]
        return [low + width * place for place in quantiles_of_one(self.probability, shares)]

    def above(self, kind: Estimate) -> npt.NDArray[np.float64]:
        """Return how far above the lowest end that is: exact however large the values are."""
        return self._grid[1] * inside(self.probability, kind)

    @property
    def lowest(self) -> npt.NDArray[np.float64]:
        """The lowest end of each forecast's buckets, float64 (T,)."""
        return self._grid[0]

    def index(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return the bucket of each value (T,) among those of its forecast; -1 for NaN."""
        return place(values, *self._grid, self.probability.shape[1])

    def take(self, chosen: npt.NDArray[np.bool_]) -> Scores:
        """Return some of them."""
        ranges = None if self.ranges is None else self.ranges[chosen]
        return Scores(self.horizon, self.probability[chosen], self.valid[chosen], ranges)

    def first(self, count: int) -> Scores:
        """Return the first `count` predictions, as views."""
        ranges = None if self.ranges is None else self.ranges[:count]
        return Scores(self.horizon, self.probability[:count], self.valid[:count], ranges)

    def last(self, count: int) -> Scores:
        """Return the last so many of them, as views."""
        start = len(self.valid) - count
        ranges = None if self.ranges is None else self.ranges[start:]
        return Scores(self.horizon, self.probability[start:], self.valid[start:], ranges)

    @property
    def _grid(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        assert self.ranges is not None, "a forecast has buckets"
        low = self.ranges[:, 0]
        return low, (self.ranges[:, 1] - low) / self.probability.shape[1]

    @staticmethod
    def joined(parts: Sequence[Scores]) -> Scores:
        """Return the scores of consecutive pieces as one."""
        ranges = [part.ranges for part in parts if part.ranges is not None]
        return Scores(
            parts[0].horizon,
            np.concatenate([part.probability for part in parts]),
            np.concatenate([part.valid for part in parts]),
            np.concatenate(ranges) if ranges else None,
        )
