"""The CUDA backend: launches the kernels in `kernels/`, same bytes as the reference.

Importing it needs neither CuPy nor a GPU; building a model without one is a `UserError`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from htmrun.backends import SDRClassifierBackend, SpatialPoolerBackend, TemporalMemoryBackend
from htmrun.backends.cuda import device
from htmrun.backends.cuda.sdr_classifier import SDRClassifier
from htmrun.backends.cuda.spatial_pooler import SpatialPooler
from htmrun.errors import UserError
from htmrun.parameters import TemporalMemoryParameters

__all__ = ["STAGES", "Placed", "SDRClassifier", "SpatialPooler", "TemporalMemory", "placed"]

STAGES = ("spatial_pooler", "sdr")
"""The kinds of stages that have kernels."""


def TemporalMemory(  # noqa: N802
    parameters: TemporalMemoryParameters, columns: int, seed: int
) -> TemporalMemoryBackend:
    """Raise `UserError`: there are no kernels for it yet."""
    raise UserError(NO_MEMORY)


NO_MEMORY = "device: the temporal memory does not run on a card yet, expected device=cpu"


@dataclass(frozen=True)
class Placed:
    """The backend on one card."""

    SpatialPooler: Callable[..., SpatialPoolerBackend]
    TemporalMemory: Callable[..., TemporalMemoryBackend]
    SDRClassifier: Callable[..., SDRClassifierBackend]


def placed(index: int) -> Placed:
    """Return the backend on card number `index`; raise `UserError` where it is not there."""
    card = device.cuda_device(index)
    return Placed(
        partial(SpatialPooler, device=card), TemporalMemory, partial(SDRClassifier, device=card)
    )
