"""How the permanences of a stage's synapses are spread."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from htmrun.backends.fixed_point import PERMANENCE_ONE

BINS = 50
"""Bins of equal width between permanences 0 and 1; the last one holds 1 as well."""

_ROWS_AT_ONCE = 1 << 22


def histogram(permanences: npt.NDArray[np.int16]) -> npt.NDArray[np.int64]:
    """Return how many permanences (int16, any shape) lie in each of 50 bins; -1 is left out."""
    flat = permanences.reshape(-1)
    counts = np.zeros(PERMANENCE_ONE + 2, np.int64)
    for start in range(0, len(flat), _ROWS_AT_ONCE):
        counts += np.bincount(flat[start : start + _ROWS_AT_ONCE] + 1, minlength=len(counts))
    inside = counts[1:]
    inside[-2] += inside[-1]
    return inside[:-1].reshape(BINS, -1).sum(1)
