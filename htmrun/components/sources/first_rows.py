"""Ranges of fields that are learned from the first rows, so that no later value shows in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

SHARE = 10
"""The first rows are at most one of so many of all."""


class FirstRows:
    """Values of the first rows, fed in order, and what comes first that differs from them."""

    def __init__(self, names: Iterable[str], most: int) -> None:
        """names: of the fields; most: rows that are looked at."""
        self._most = most
        self._kept: dict[str, list[np.ndarray]] = {name: [] for name in names}
        self._held = 0
        self._first: dict[str, float] = {}
        self._other: dict[str, float] = {}

    def add(self, fields: Mapping[str, np.ndarray]) -> None:
        """Add consecutive rows."""
        for name, kept in self._kept.items():
            values = fields[name]
            if self._held < self._most:
                kept.append(values[: self._most - self._held].astype(np.float64))
            known = values[~np.isnan(values)]
            if name not in self._first and len(known):
                self._first[name] = float(known[0])
            if name not in self._other and name in self._first:
                differs = np.flatnonzero(known != self._first[name])
                if len(differs):
                    self._other[name] = float(known[differs[0]])
        self._held += len(next(iter(fields.values()))) if fields else 0

    def ranges(self, samples: int) -> dict[str, tuple[float, float]]:
        """Return lowest and highest value of each field in the rows that count.

        Where all of them are equal, the first value that differs counts, too. A field that has no
        value in them has none.
        """
        found = {}
        for name, kept in self._kept.items():
            values = np.concatenate(kept)[: rows_of(self._most, samples)]
            values = values[~np.isnan(values)]
            if not len(values):
                continue
            low, high = float(values.min()), float(values.max())
            if low == high:
                other = self._other.get(name, low)
                low, high = min(low, other), max(high, other)
            found[name] = (low, high)
        return found


def rows_of(most: int, samples: int) -> int:
    """Return how many rows count, of so many in all: at most a tenth."""
    return min(most, max(2, samples // SHARE), samples)
