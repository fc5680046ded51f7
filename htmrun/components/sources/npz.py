"""A NumPy archive with labelled images."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from htmrun.components.registry import register
from htmrun.components.sources.images import (
    ImageFiles,
    ImageFilesParameters,
    LabelledImages,
    Split,
)
from htmrun.errors import UserError


class NpzParameters(ImageFilesParameters):
    """A NumPy archive: train_images, train_labels, test_images, test_labels (or x_train, ...)."""

    kind: Literal["npz"] = "npz"
    path: str = Field(..., description="File made by numpy.savez; images are uint8.")


@register("source", NpzParameters)
class NpzSource(ImageFiles):
    """A NumPy archive with images and labels of training and test."""

    path: Path
    expected = "a file made by numpy.savez"
    ARRAYS = (
        ("train_images", "x_train"), ("train_labels", "y_train"),
        ("test_images", "x_test"), ("test_labels", "y_test"),
    )  # fmt: skip

    def parts(self) -> Split:
        """Return both parts; the classes are numbered up to the highest label of either."""
        try:
            # Without pickles: an archive is data, never code.
            with np.load(self.path, allow_pickle=False) as archive:
                arrays = [self._array(archive, names) for names in self.ARRAYS]
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise UserError(f"{self.path}: {error}, expected {self.expected}") from None
        train, test = (self._part(arrays[i], arrays[i + 1], self.ARRAYS[i][0]) for i in (0, 2))
        classes = 1 + int(max(train.labels.max(), test.labels.max()))
        self.names = tuple(map(str, range(classes)))
        return train, test

    def _array(self, archive: Any, names: tuple[str, str]) -> np.ndarray:
        for name in names:
            if name in archive:
                return np.asarray(archive[name])
        raise UserError(
            f"{self.path}: no array '{names[0]}' or '{names[1]}', found {', '.join(archive)}"
        )

    def _part(self, images: np.ndarray, labels: np.ndarray, name: str) -> LabelledImages:
        if images.dtype != np.uint8 or images.ndim not in (3, 4) or not len(images):
            raise UserError(
                f"{self.path}: {name} is {images.dtype} of shape {images.shape}, expected uint8 "
                "(images, height, width) or (images, height, width, channels)"
            )
        flat: npt.NDArray[np.int64] = np.asarray(labels).reshape(-1)
        if not np.issubdtype(flat.dtype, np.integer) or len(flat) != len(images) or flat.min() < 0:
            raise UserError(
                f"{self.path}: labels beside {name} are {flat.dtype} of length {len(flat)}, "
                f"expected {len(images)} integers from 0 on"
            )
        return LabelledImages(images, flat.astype(np.int64))
