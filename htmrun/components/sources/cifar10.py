"""CIFAR-10 in its binary version: records of a label and three planes of pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from htmrun.components.files import MOST_BYTES, opened
from htmrun.components.registry import register
from htmrun.components.sources import Shapes
from htmrun.components.sources.download import CIFAR10_FILES, fetch_cifar10
from htmrun.components.sources.images import (
    ImageFiles,
    ImageFilesParameters,
    LabelledImages,
    Split,
)
from htmrun.errors import UserError

RECORD = 1 + 3 * 32 * 32


class Cifar10Parameters(ImageFilesParameters):
    """CIFAR-10 in its binary version (Krizhevsky 2009): 32x32 colour images, ten classes."""

    kind: Literal["cifar10"] = "cifar10"
    path: str | None = Field(
        None,
        description="Folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin; null: "
        "downloaded once and checked.",
    )


@register("source", Cifar10Parameters)
class Cifar10Source(ImageFiles):
    """CIFAR-10, binary version: data_batch_1.bin to data_batch_5.bin and test_batch.bin."""

    name = "cifar10"
    expected = "the folder of CIFAR-10's binary version (data_batch_1.bin ... test_batch.bin)"
    collected = 50_000
    names = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip

    @classmethod
    def known_shapes(cls, parameters: Any) -> Shapes:
        """32x32 pixels in three colours."""
        return {"image": (32, 32, 3)}

    def parts(self) -> Split:
        """Return the five files of training images joined, and the test images."""
        folder = self.path or fetch_cifar10()
        parts = [read_cifar(folder / name, self.parameters.max_bytes) for name in CIFAR10_FILES]
        images = np.concatenate([part.images for part in parts[:5]])
        labels = np.concatenate([part.labels for part in parts[:5]])
        return LabelledImages(images, labels), parts[5]


def read_cifar(file: Path, most: int = MOST_BYTES) -> LabelledImages:
    """Return the images (N, 32, 32, 3) of one file of records: a label, then three planes."""
    with opened(file, "a file of CIFAR-10's binary version", most=most) as content:
        data = np.frombuffer(content.read(), np.uint8)
    if not len(data) or len(data) % RECORD:
        raise UserError(
            f"{file}: {len(data)} bytes, expected a multiple of {RECORD} (label and pixels)"
        )
    records = data.reshape(-1, RECORD)
    if records[:, 0].max() > 9:
        raise UserError(f"{file}: label {records[:, 0].max()}, expected 0 to 9")
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    return LabelledImages(images, records[:, 0].astype(np.int64))
