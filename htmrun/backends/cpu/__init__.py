"""The models compiled for the processor by numba; README.md says how the parts play together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from htmrun.backends import SDRClassifierBackend, SpatialPoolerBackend, TemporalMemoryBackend
from htmrun.backends.cpu.common.cache import kernels_kept_by_source

with kernels_kept_by_source():
    from htmrun.backends.cpu.classifier.quantiles import quantiles
    from htmrun.backends.cpu.classifier.sdr_classifier import SDRClassifier
    from htmrun.backends.cpu.classifier.votes import bit_votes, nearest_votes
    from htmrun.backends.cpu.common.rows_of_bits import (
        in_common,
        rows_of,
        swapped,
        without,
    )
    from htmrun.backends.cpu.encoders.neighbours import drawn
    from htmrun.backends.cpu.memory.temporal_memory import TemporalMemory
    from htmrun.backends.cpu.pooler.spatial_pooler import SpatialPooler

__all__ = [
    "SDRClassifier", "SpatialPooler", "TemporalMemory", "Threaded", "bit_votes", "drawn",
    "in_common", "nearest_votes", "quantiles", "rows_of", "swapped", "threaded", "without",
]  # fmt: skip


@dataclass(frozen=True)
class Threaded:
    """The backend with several threads for each model that has a use for them."""

    SpatialPooler: Callable[..., SpatialPoolerBackend]
    TemporalMemory: Callable[..., TemporalMemoryBackend] = TemporalMemory
    SDRClassifier: Callable[..., SDRClassifierBackend] = SDRClassifier


def threaded(threads: int) -> Threaded:
    """Return the backend whose models may use `threads` threads; results are equal."""
    return Threaded(partial(SpatialPooler, threads=threads))
