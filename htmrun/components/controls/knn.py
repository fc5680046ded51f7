"""Nearest neighbours: what followed the past windows that were most like the last values."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from htmrun._imports import scipy
from htmrun.components.controls import Control, ControlParameters, Rows, Series, Values
from htmrun.components.controls.lags import arrived, outcomes, windows
from htmrun.components.registry import register

CELLS, BLOCK = 4_000_000, 256
"""Distances that are held at once, and of how many samples at most."""
METRICS = {"euclidean": "sqeuclidean", "cityblock": "cityblock", "chebyshev": "chebyshev"}
"""The names of distances in SciPy; a square has the same order and takes no root."""


class NeighboursParameters(ControlParameters):
    """A forecast from the nearest neighbours of the last values among all windows before."""

    baseline: Literal["knn"] = Field(
        "knn", description="knn: what followed the past windows nearest to the last values."
    )
    lags: int = Field(
        48, ge=1, le=10_000,
        description="Values in a window: those of so many usual steps; without dates, of rows.",
    )  # fmt: skip
    neighbours: int = Field(10, ge=1, le=10_000, description="Past windows that are asked.")
    distance: Literal["euclidean", "cityblock", "chebyshev"] = Field(
        "euclidean", description="How far two windows are from each other."
    )
    weights: Literal["uniform", "distance"] = Field(
        "uniform", description="distance: what a neighbour says counts by 1 / its distance."
    )
    estimate: Literal["mean", "median"] = Field(
        "mean", description="The figure drawn from what followed the neighbours."
    )
    history: int | None = Field(
        20_000, ge=1, description="Past windows that are kept, the latest; null: all."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.estimate == "median" and self.weights == "distance":
            raise ValueError("weights: found distance with estimate median, expected uniform")
        if self.history is not None and self.history < self.neighbours:
            raise ValueError(
                f"history: found {self.history}, expected at least neighbours = {self.neighbours}"
            )
        return self


@register("control", NeighboursParameters)
class Neighbours(Control):
    """Forecasts by the windows of the past whose outcome was known when the forecast was made."""

    parameters: NeighboursParameters

    def forecast(self, series: Series, horizon: int) -> Values:
        """Return the mean or median of what followed the nearest windows `horizon` rows later.

        Of equally near ones the earliest count. NaN until there are as many as are asked.
        """
        p = self.parameters
        found = windows(series, range(p.lags))
        later, there = outcomes(series, horizon)
        whole = np.isfinite(found).all(1)
        pairs = np.flatnonzero(whole & there)
        # The pairs whose outcome had come by each row.
        known = np.searchsorted(pairs, np.arange(len(later)) - horizon, side="right")
        asking = np.flatnonzero(whole & (known >= p.neighbours))
        made = np.full(len(later), np.nan)
        kept = min(len(pairs), BLOCK + (p.history or len(pairs)))
        block = max(1, min(BLOCK, CELLS // max(1, kept)))
        for start in range(0, len(asking), block):
            rows = asking[start : start + block]
            made[rows] = self._ask(found, later, rows, pairs, known[rows])
        return arrived(made, series, horizon)

    def lacking(self, series: Series) -> str:
        """Return how many samples it takes."""
        p, samples = self.parameters, int(series.age.max(initial=-1)) + 1
        return (
            f"windows of {p.lags} values and {p.neighbours} neighbours whose outcome is known take "
            f"more than the {samples} samples of a sequence"
        )

    def _ask(self, found: Values, later: Values, rows: Rows, pairs: Rows, known: Rows) -> Values:
        """Return what the nearest of the first `known` pairs say of each of `rows`."""
        p = self.parameters
        kept = p.history or len(pairs)
        first = max(0, int(known[0]) - kept)
        candidates = pairs[first : known[-1]]
        far = scipy.spatial.distance.cdist(found[rows], found[candidates], METRICS[p.distance])
        late, gone = int(known[0]) - first, max(0, int(known[-1]) - kept - first)
        place = first + np.arange(len(candidates))
        far[:, late:][place[late:] >= known[:, None]] = np.inf
        far[:, :gone][place[:gone] < known[:, None] - kept] = np.inf
        nearest = _nearest(far, p.neighbours)
        said = later[candidates[nearest]]
        if p.estimate == "median":
            return np.asarray(np.median(said, axis=1))
        if p.weights == "uniform":
            return np.asarray(said.mean(1))
        distance = np.take_along_axis(far, nearest, 1)
        return _weighted(said, np.sqrt(distance) if p.distance == "euclidean" else distance)


def _nearest(far: Values, count: int) -> Rows:
    """Return the places of the `count` least of each row, ascending; of equal ones the first."""
    limit = np.partition(far, count - 1, axis=1)[:, count - 1 : count]
    chosen = far <= limit
    for row in np.flatnonzero(chosen.sum(1) > count):
        equal = np.flatnonzero(far[row] == limit[row])
        chosen[row, equal[count - np.count_nonzero(far[row] < limit[row]) :]] = False
    return np.nonzero(chosen)[1].reshape(len(far), count)


def _weighted(said: Values, distance: Values) -> Values:
    """Return the mean weighted by 1 / distance; where neighbours are equal to it, theirs alone."""
    same = distance == 0
    some = same.any(1)
    weight = np.divide(1.0, distance, out=np.zeros_like(distance), where=~same)
    weight[some] = same[some]
    return np.asarray((weight * said).sum(1) / weight.sum(1))
