"""Cutting a value's range into classes, and drawing a figure from a distribution over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Buckets:
    """`count` equal buckets from `minimum` to `maximum`; values outside go to the end buckets."""

    minimum: float
    maximum: float
    count: int

    @property
    def width(self) -> float:
        """Extent of one bucket, in units of the value."""
        return (self.maximum - self.minimum) / self.count

    @property
    def centres(self) -> F64:
        """The value in the middle of each bucket, shape (count,)."""
        return self.minimum + self.width * (np.arange(self.count, dtype=np.float64) + 0.5)

    def index(self, values: F64) -> npt.NDArray[np.int64]:
        """Return the bucket of each value; -1 for NaN."""
        place = np.floor((np.nan_to_num(values) - self.minimum) / self.width)
        inside = np.clip(place, 0, self.count - 1).astype(np.int64)
        return np.where(np.isnan(values), -1, inside)

    def estimate(
        self, probability: npt.NDArray[np.float32], kind: Literal["mean", "median", "mode"]
    ) -> F64:
        """Return one value per row of `probability` (T, count).

        The mean has the least expected squared error, the median (linear within its
        bucket) the least expected absolute error, the mode is the likeliest bucket's centre.
        """
        return self.minimum + self.above(probability, kind)

    def above(
        self, probability: npt.NDArray[np.float32], kind: Literal["mean", "median", "mode"]
    ) -> F64:
        """Return how far above the minimum the `estimate` lies: exact however large that is.

        Probabilities are float32 and do not quite add up to 1, so a mean is divided by their sum;
        where there are none at all it is the middle of the range.
        """
        centres = self.width * (np.arange(self.count, dtype=np.float64) + 0.5)
        if kind == "mean":
            weight = probability.astype(np.float64)
            total, weighted = weight.sum(1), weight @ centres
            half = np.full(len(total), self.width * self.count / 2)
            return np.divide(weighted, total, out=half, where=total > 0)
        if kind == "mode":
            return centres[probability.argmax(1)]
        cumulative = np.cumsum(probability.astype(np.float64), axis=1)
        cumulative /= cumulative[:, -1:]
        bucket = (cumulative < 0.5).sum(1)
        rows = np.arange(len(bucket))
        below = np.where(bucket > 0, cumulative[rows, bucket - 1], 0.0)
        inside = (0.5 - below) / (cumulative[rows, bucket] - below)
        return self.width * (bucket + inside)
