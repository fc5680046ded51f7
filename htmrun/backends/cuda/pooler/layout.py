"""The order in which rows lie on the card: permanences (`perm_place`, kernels/synapses.cuh), and
the inputs of compact pools (`input_place`, kernels/pools.cuh).

A thread learns 32 synapses, those of one word of connected bits, as four octets. For each 32 words
the first octets of all lie side by side, then the second ones, and so on: so that threads read and
write beside each other. What is left behind the last 32 words lies so, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[Any]
_STEPS = 32
"""Words, or runs of a compact pool, whose sixteen bytes lie interleaved."""
_BYTES = 16
"""That are read at once."""


def interleaved(rows: Rows) -> Rows:
    """Return rows in the order of places, (columns, steps * 32), as they lie on the card."""
    return _moved(rows, lambda part, pieces: part.reshape(len(part), -1, pieces, 32 // pieces))


def in_order(rows: Rows) -> Rows:
    """Return rows as they lie on the card, (columns, steps * 32), in the order of places."""
    return _moved(rows, lambda part, pieces: part.reshape(len(part), pieces, -1, 32 // pieces))


def _moved(rows: Rows, split: Callable[[Rows, int], Rows]) -> Rows:
    out, together, pieces = np.empty_like(rows), _STEPS * 32, 32 * rows.itemsize // _BYTES
    for first in range(0, rows.shape[1], together):
        part = split(rows[:, first : first + together], pieces)
        out[:, first : first + together] = part.swapaxes(1, 2).reshape(len(part), -1)
    return out
