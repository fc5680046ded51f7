"""What a classifier says of the samples of a chunk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmrun.backends.bits import Bits

Activity = dict[str, Bits]
"""Bits by the name of the stage that made them; the TM adds `NAME.winners`, `NAME.predicted`."""


@dataclass(frozen=True)
class Scores:
    """Predictions of T samples, each made `horizon` samples earlier.

    probability: float32 (T, classes); valid: bool (T,), False where no prediction was made
    (the first samples of a stream, or the first after a reset).
    """

    horizon: int
    probability: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
