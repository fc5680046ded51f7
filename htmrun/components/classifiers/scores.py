"""What a classifier says of the samples of a chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends.bits import Bits

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
    (the first samples of a stream, or the first after a reset).
    """

    horizon: int
    probability: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
