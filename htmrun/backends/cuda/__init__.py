"""The CUDA backend: launches the kernels in `kernels/`, same bytes as the reference.

Importing it needs neither CuPy nor a GPU; building a model without one is a `UserError`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from htmrun.backends import SDRClassifierBackend, SpatialPoolerBackend, TemporalMemoryBackend
from htmrun.backends.cuda import device
from htmrun.backends.cuda.classifier.sdr_classifier import SDRClassifier
from htmrun.backends.cuda.memory.temporal_memory import TemporalMemory
from htmrun.backends.cuda.pooler.spatial_pooler import SpatialPooler

__all__ = ["Placed", "SDRClassifier", "SpatialPooler", "TemporalMemory", "placed"]


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
        partial(SpatialPooler, device=card),
        partial(TemporalMemory, device=card),
        partial(SDRClassifier, device=card),
    )
