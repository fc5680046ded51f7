"""The handwritten digits that ship with scikit-learn, with a stratified held-out split."""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from htmrun._imports import sklearn
from htmrun.components.registry import register
from htmrun.components.sources import Shapes
from htmrun.components.sources.images import (
    ImagesParameters,
    LabelledImages,
    Split,
    SplitImages,
    held_out,
)
from htmrun.errors import UserError

_FILE = "datasets/data/digits.csv.gz"
"""Where scikit-learn keeps them: 64 grey values and the digit on each line."""


class DigitsParameters(ImagesParameters):
    """The 8x8 handwritten digits that ship with scikit-learn (1797 images, grey values 0..16)."""

    kind: Literal["digits"] = "digits"
    test_fraction: float = Field(
        0.2, gt=0.0, lt=1.0, description="Share of each class that is held out for testing."
    )
    split_seed: int = Field(
        0, ge=0, description="Chooses the held-out images; the same for all seeds of a run."
    )


@register("source", DigitsParameters)
class DigitsSource(SplitImages):
    """1797 images of 8x8 pixels with grey values 0..16, ten classes."""

    name = "digits"
    white = 16.0
    names = tuple("0123456789")

    def __init__(self, parameters: DigitsParameters, base: Path) -> None:
        super().__init__(parameters, base)
        self.split_seed = parameters.split_seed

    @classmethod
    def known_shapes(cls, parameters: Any) -> Shapes:
        """8x8 pixels."""
        return {"image": (8, 8)}

    def read(self) -> Split:
        """Return both parts; raises UserError if a class falls out of one of them."""
        images = _read_digits()
        held = held_out(images.labels, self.parameters.test_fraction, self.split_seed)
        for part, what in ((held, "held-out"), (~held, "training")):
            if len(np.unique(images.labels[part])) < self.classes:
                raise UserError(
                    f"data.test_fraction: {self.parameters.test_fraction} leaves a class without "
                    f"{what} images, expected about 0.01 to 0.99"
                )
        return images.part(~held), images.part(held)


def _read_digits() -> LabelledImages:
    """Return what `sklearn.datasets.load_digits` does, from its file: importing that takes 2 s."""
    found = find_spec("sklearn")
    path = Path(found.origin or "").parent / _FILE if found is not None else None
    if path is not None and path.is_file():
        with gzip.open(path, "rt", encoding="ascii") as file:
            table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
        return LabelledImages(table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(np.int64))
    bunch = sklearn.datasets.load_digits()
    return LabelledImages(bunch.images.astype(np.uint8), bunch.target.astype(np.int64))
