"""Cutting a value's range into classes, and drawing a figure from a distribution over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Literal

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Buckets:
    """`count` equal buckets from `minimum` to `maximum`; values outside go to the end buckets.

    An end that is open moves once a value beyond it comes (`toward`); the others never do.
    """

    minimum: float
    maximum: float
    count: int
    open_below: bool = False
    open_above: bool = False

    @property
    def width(self) -> float:
        """Extent of one bucket, in units of the value."""
        return (self.maximum - self.minimum) / self.count

    @property
    def centres(self) -> F64:
        """The value in the middle of each bucket, shape (count,)."""
        return self.minimum + self.width * (np.arange(self.count, dtype=np.float64) + 0.5)

    def beyond(self, values: F64) -> npt.NDArray[np.bool_]:
        """Flag values past an end that is open, shape of `values`; False for NaN."""
        below = (values < self.minimum) & self.open_below
        return below | ((values > self.maximum) & self.open_above)

    def toward(self, value: float) -> tuple[Buckets, list[bool]]:
        """Return buckets that hold `value`: the range doubles toward it as often as it takes.

        With them comes, of each doubling, whether it went up. Buckets keep their number, so each
        doubling makes one of every two neighbours; see `merged`.
        """
        now, ups = self, list[bool]()
        while (value < now.minimum and self.open_below) or (
            value > now.maximum and self.open_above
        ):
            span, up = now.maximum - now.minimum, bool(value > now.maximum)
            low, high = (
                (now.minimum, now.maximum + span) if up else (now.minimum - span, now.maximum)
            )
            if not math.isfinite(high - low):
                break
            now = replace(now, minimum=low, maximum=high)
            ups.append(up)
        return now, ups

    def index(self, values: F64) -> npt.NDArray[np.int64]:
        """Return the bucket of each value; -1 for NaN."""
        if values.size == 1:
            return np.array([self._place(float(values.item()))])
        return place(values, self.minimum, self.width, self.count)

    def _place(self, value: float) -> int:
        """Return what `place` does of one value: the same operations on a number."""
        if value != value:
            return -1
        return math.floor(min(max((value - self.minimum) / self.width, 0.0), self.count - 1.0))

    def estimate(self, probability: F32, kind: Literal["mean", "median", "mode"]) -> F64:
        """Return one value per row of `probability` (T, count).

        The mean has the least expected squared error, the median (linear within its
        bucket) the least expected absolute error, the mode is the likeliest bucket's centre.
        """
        return self.minimum + self.width * inside(probability, kind)


def place(
    values: F64, minimum: float | F64, width: float | F64, count: int
) -> npt.NDArray[np.int64]:
    """Return which of `count` buckets from `minimum` on each value is in; -1 for NaN."""
    missing = np.isnan(values)
    found = np.floor((np.where(missing, 0.0, values) - minimum) / width)
    within = np.minimum(np.maximum(found, 0), count - 1).astype(np.int64)
    return np.where(missing, -1, within)


def inside(probability: F32, kind: Literal["mean", "median", "mode"]) -> F64:
    """Return what `Buckets.estimate` does, counted in buckets from the minimum on.

    Probabilities are float32 and do not quite add up to 1, so a mean is divided by their sum;
    where there are none at all it is the middle of the range.
    """
    count = probability.shape[1]
    if kind == "mode":
        return probability.argmax(1) + 0.5
    if kind == "median":
        return quantile(probability, 0.5)
    weight = probability.astype(np.float64)
    # No matrix product: its last digits depend on how many rows there are.
    total, weighted = weight.sum(1), (weight * (np.arange(count) + 0.5)).sum(1)
    return np.divide(weighted, total, out=np.full(len(total), count / 2), where=total > 0)


def quantile(probability: F32, share: float) -> F64:
    """Return below what `share` of each distribution lies, counted as `inside` does."""
    return quantiles(probability, (share,))[0]


def quantiles(probability: F32, shares: Sequence[float]) -> F64:
    """Return `quantile` for each of several shares, float64 (shares, T)."""
    if len(probability) == 1:
        return np.array(quantiles_of_one(probability, shares))[:, None]
    cumulative = probability.cumsum(1, np.float64)
    cumulative /= cumulative[:, -1:]
    rows = np.arange(len(cumulative))
    return np.array([_reached(cumulative, rows, share) for share in shares])


def _reached(cumulative: F64, rows: npt.NDArray[np.int64], share: float) -> F64:
    """Return where each distribution reaches a share, float64 (T,)."""
    bucket = (cumulative < share).sum(1)
    below = np.where(bucket > 0, cumulative[rows, bucket - 1], 0.0)
    return np.asarray(bucket + (share - below) / (cumulative[rows, bucket] - below))


def quantiles_of_one(probability: F32, shares: Sequence[float]) -> list[float]:
    """Return `quantiles` of one distribution (1, count), as numbers."""
    return _compiled()(np.ascontiguousarray(probability), shares)


@cache
def _compiled() -> Callable[[F32, Sequence[float]], list[float]]:
    """Return what finds shares of one distribution, looked up once: numba comes late."""
    found: Callable[[F32, Sequence[float]], list[float]]
    found = import_module("htmrun.backends.cpu").quantiles
    return found


def merged(weights: F32, up: bool) -> F32:
    """Return a classifier's weights (bits, buckets) after a doubling: of each two the larger.

    A bucket that is new has each bit's least weight: nothing was seen there either.
    """
    starts, columns = _pairs(weights.shape[1], up)
    out = np.repeat(weights.min(1, keepdims=True), weights.shape[1], axis=1)
    out[:, columns] = np.maximum.reduceat(weights, starts, axis=1)
    # No zero has a sign, so that all machines hold the same bytes.
    return out + np.float32(0)


def summed(gradient: F32, up: bool) -> F32:
    """Return a pending gradient (bits, buckets) after a doubling: errors of neighbours add up."""
    starts, columns = _pairs(gradient.shape[1], up)
    out = np.zeros_like(gradient)
    out[:, columns] = np.add.reduceat(gradient, starts, axis=1)
    return out + np.float32(0)


def _pairs(count: int, up: bool) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where each pair of neighbours begins, and the bucket that it becomes."""
    becomes = (np.arange(count) + (0 if up else count)) // 2
    columns, starts = np.unique(becomes, return_index=True)
    return starts, columns
