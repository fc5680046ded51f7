"""The handwritten digits that ship with scikit-learn, with a stratified held-out split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from htmrun._imports import sklearn
from htmrun.components.registry import register
from htmrun.components.sources import Chunk, Task
from htmrun.components.sources.images import LabelledImages, apart, held_out
from htmrun.components.sources.parameters import DigitsParameters
from htmrun.errors import UserError


@register("source", DigitsParameters)
class DigitsSource:
    """1797 images of 8x8 pixels with grey values 0..16, ten classes."""

    name = "digits"
    white = 16.0
    _kept: LabelledImages
    task: Task = "classification"
    classes = 10
    class_names = tuple("0123456789")
    ranges: Mapping[str, tuple[float, float]] = {}

    def __init__(self, parameters: DigitsParameters, base: Path) -> None:
        self.parameters = parameters
        self.shapes: dict[str, tuple[int, ...]] = {"image": (8, 8)}

    @cached_property
    def split(self) -> tuple[LabelledImages, LabelledImages]:
        """Training and held-out images; raises UserError if a class falls out of one of them.

        Held out are the test images, or validation images: then the test images are in neither.
        """
        bunch = sklearn.datasets.load_digits()
        images = bunch.images.astype(np.uint8)
        labels = bunch.target.astype(np.int64)
        held = held_out(labels, self.parameters.test_fraction, self.parameters.split_seed)
        for part, what in ((held, "held-out"), (~held, "training")):
            if len(np.unique(labels[part])) < self.classes:
                raise UserError(
                    f"data.test_fraction: {self.parameters.test_fraction} leaves a class without "
                    f"{what} images, expected about 0.01 to 0.99"
                )
        train = LabelledImages(images[~held], labels[~held])
        test = LabelledImages(images[held], labels[held])
        p = self.parameters
        if p.held_out == "test":
            return train, test
        train, self._kept = apart(train, p.validation_fraction, p.split_seed)
        return train, self._kept if p.held_out == "validation" else test

    @property
    def samples(self) -> int:
        """Training images."""
        return len(self.split[0])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of both parts of the split."""
        digest = hashlib.sha256(b"digits")
        for part in self.split:
            part.update(digest)
        return digest.hexdigest()

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        """Yield the training images, shuffled for (seed, epoch)."""
        return self.split[0].shuffled(seed, epoch, chunk)

    def test(self, chunk: int) -> Iterator[Chunk]:
        """Yield the held-out images."""
        return self.split[1].in_order(chunk)

    def validation(self, chunk: int) -> Iterator[Chunk] | None:
        """Yield the images that choose the reported epoch; None unless that is asked for."""
        if self.parameters.held_out != "best_epoch":
            return None
        assert self.split
        return self._kept.in_order(chunk)
