"""Labelled images held in memory: what the digits and IDX sources have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun import rng
from htmrun.data import Chunk


@dataclass(frozen=True)
class LabelledImages:
    """images: uint8 (N, H, W); labels: int64 (N,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def chunks(self, order: npt.NDArray[np.int64], chunk: int) -> Iterator[Chunk]:
        """Yield the samples `order` names; every image is a sequence of its own."""
        for start in range(0, len(order), chunk):
            part = order[start : start + chunk]
            flags = np.ones(len(part), np.uint8)
            yield Chunk({"image": self.images[part]}, self.labels[part], flags, flags)

    def shuffled(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        """Yield all samples in the order of (seed, epoch)."""
        order = rng.permutation(seed, rng.Purpose.SHUFFLE, epoch, len(self))
        return self.chunks(order, chunk)

    def in_order(self, chunk: int) -> Iterator[Chunk]:
        """Yield all samples as stored."""
        return self.chunks(np.arange(len(self)), chunk)

    def update(self, digest: Any) -> None:
        """Feed shape, pixels and labels to a hashlib object."""
        digest.update(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
