"""Class selectivity: how much more active a unit is for its best class than for the others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from htmrun.backends.bits import Bits

Double = npt.NDArray[np.float64]


def selectivity(by_class: Double) -> float | None:
    """Return the mean over units of (highest - mean of the others) / (highest + that mean).

    by_class: (classes, units), the mean activity of each unit for each class (Morcos et al. 2018,
    "On the importance of single directions for generalization"). Between 0, equally active for
    all, and 1, active for one only. Units that are never active are left out; None if all are, or
    with a single class.
    """
    used = by_class[:, by_class.any(axis=0)]
    if len(used) < 2 or not used.shape[1]:
        return None
    most = used.max(0)
    others = (used.sum(0) - most) / (len(used) - 1)
    return float(((most - others) / (most + others)).mean())


class ClassActivity:
    """Adds up which columns win for which class."""

    def __init__(self, classes: int, columns: int) -> None:
        self._wins = np.zeros((classes, columns), np.int64)
        self._samples = np.zeros(classes, np.int64)

    def add(self, bits: Bits, target: npt.NDArray[np.int64]) -> None:
        """Add the winners of a chunk, whose samples are of the classes `target` (T,)."""
        np.add.at(self._wins, (np.repeat(target, bits.counts()), bits.indices), 1)
        self._samples += np.bincount(target, minlength=len(self._samples))

    def selectivity(self) -> float | None:
        """Return the columns' class selectivity over the classes that came, None without any."""
        seen = self._samples > 0
        return selectivity(self._wins[seen] / self._samples[seen, None])
