"""The order in which a row of permanences lies on the card (`perm_place`, kernels/synapses.cuh).

A thread learns 32 synapses, those of one word of connected bits, as four octets. For each 32 words
the first octets of all lie side by side, then the second ones, and so on: so that threads read and
write beside each other. What is left behind the last 32 words lies so, too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

TOGETHER = 1024
"""Inputs whose octets lie interleaved: 32 words."""

Permanences = npt.NDArray[np.int16]


def by_octet(permanences: Permanences) -> Permanences:
    """Return rows of permanences by input, int16 (columns, words * 32), as they lie on the card."""
    return _moved(permanences, lambda part: part.reshape(len(part), -1, 4, 8))


def by_input(permanences: Permanences) -> Permanences:
    """Return rows of permanences as they lie on the card, int16 (columns, words * 32), by input."""
    return _moved(permanences, lambda part: part.reshape(len(part), 4, -1, 8))


def _moved(permanences: Permanences, split: Callable[[Permanences], Permanences]) -> Permanences:
    out = np.empty_like(permanences)
    for first in range(0, permanences.shape[1], TOGETHER):
        part = split(permanences[:, first : first + TOGETHER])
        out[:, first : first + TOGETHER] = part.swapaxes(1, 2).reshape(len(part), -1)
    return out
