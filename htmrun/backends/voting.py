"""Classifiers by votes: plain NumPy and compiled, which give equal bytes.

They run on the processor whatever the device; a card has no kernels for them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

import numpy as np
import numpy.typing as npt

from htmrun.backends.bits import Bits

Counts = npt.NDArray[np.int64]


class Voting(Protocol):
    """What `backends.reference` and `backends.cpu` have for them; the reference says what."""

    def bit_votes(
        self, table: npt.NDArray[np.float32], rate: float, floor: float, bits: Bits, events: Bits,
        classes: Counts, due: Counts,
    ) -> npt.NDArray[np.float32]: ...  # fmt: skip
    def nearest_votes(
        self, bits: Bits, stored: Bits, classes: Counts, low: Counts, high: Counts,
        neighbours: int, similarity: str, weighted: bool, floor: float, count: int,
    ) -> npt.NDArray[np.float32]: ...  # fmt: skip


def load_voting(device: str) -> Voting:
    """Return the plain functions on the device `reference`, elsewhere the compiled ones."""
    name = "reference" if device == "reference" else "cpu"
    found: Voting = import_module(f"htmrun.backends.{name}")
    return found
