"""Labelled images held in memory: what the digits and IDX sources have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends import rng
from htmrun.backends.parameters import round_half_up
from htmrun.components.sources import Chunk
from htmrun.errors import UserError


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


def held_out(
    labels: npt.NDArray[np.int64], fraction: float, split_seed: int, part: int = 0
) -> npt.NDArray[np.bool_]:
    """Return a mask (N,) that holds out half-up(fraction * n) random samples of each class.

    Another `part` chooses independently.
    """
    mask = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place = part * _PLACES + int(label)
        order = rng.permutation(split_seed, rng.Purpose.SPLIT, place, len(members))
        mask[members[order[: round_half_up(fraction * len(members))]]] = True
    return mask


def apart(
    train: LabelledImages, fraction: float, split_seed: int
) -> tuple[LabelledImages, LabelledImages]:
    """Return what is left of `train`, and the validation images taken from each of its classes.

    Raises UserError if a class falls out of one of them.
    """
    held = held_out(train.labels, fraction, split_seed, part=1)
    classes = len(np.unique(train.labels))
    for mask, what in ((held, "validation"), (~held, "training")):
        if len(np.unique(train.labels[mask])) < classes:
            raise UserError(
                f"data.validation_fraction: {fraction} leaves a class without {what} images, "
                f"expected between, e.g. 0.2"
            )
    return (
        LabelledImages(train.images[~held], train.labels[~held]),
        LabelledImages(train.images[held], train.labels[held]),
    )


# Labels are bytes, so classes of one part never meet those of another.
_PLACES = 256
