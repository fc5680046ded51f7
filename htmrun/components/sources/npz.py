"""A NumPy archive with labelled images."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from htmrun.components.files import MOST_PACKED, opened, parsing, too_large
from htmrun.components.memory import must_fit
from htmrun.components.registry import register
from htmrun.components.sources.images import (
    ImageFiles,
    ImageFilesParameters,
    LabelledImages,
    Split,
)
from htmrun.errors import UserError, listed

_LARGEST = (1 << 63) - 1
"""A label is at most that."""
Arrays = list[tuple[str, npt.NDArray[Any]]]
"""Arrays by the names that they have in the file."""


COLOURS = (1, 3)
"""Numbers of channels that are known to be such."""


class NpzParameters(ImageFilesParameters):
    """A NumPy archive: train_images, train_labels, test_images, test_labels (or x_train, ...)."""

    kind: Literal["npz"] = "npz"
    path: str = Field(
        ...,
        description="File made by numpy.savez; images are uint8 or other integers up to 255, "
        "booleans, or fractions from 0 to 1 or 0 to 255; labels are integers or texts.",
    )
    channels: Literal["first", "last"] | None = Field(
        None,
        description="Which axis of an image with four axes has the channels; null: the one of 1 or "
        "3, where only one is.",
    )


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
        """Return both parts; UserError where an array can be read in two ways, or in none."""
        most = self.parameters.max_bytes
        with opened(self.path, self.expected, most=most) as file:
            with parsing(str(self.path), self.expected):
                archive = zipfile.ZipFile(file)
            found = [self._array(archive, names) for names in self.ARRAYS]
        images, labels = found[::2], found[1::2]
        for (name, x), (_, y) in zip(images, labels, strict=True):
            self._fit(name, x, y)
        if images[0][1].dtype.kind != images[1][1].dtype.kind:
            kinds = " and ".join(f"{x.dtype} {name}" for name, x in images)
            raise UserError(f"{self.path}: found {kinds}, expected the same of both")
        pixels = [self._grids(name, x) for name, x in self._bytes(images)]
        known = [_labels(self.path, name, y) for name, y in labels]
        train, test = (LabelledImages(x, y) for x, y in zip(pixels, known, strict=True))
        if train.labels.dtype.kind != test.labels.dtype.kind:
            raise UserError(f"{self.path}: labels are numbers and texts, expected one of them")
        return train, test

    def _array(self, archive: zipfile.ZipFile, names: tuple[str, str]) -> tuple[str, np.ndarray]:
        known = [name.removesuffix(".npy") for name in archive.namelist()]
        for name in names:
            if name in known:
                place = archive.namelist()[known.index(name)]
                return name, read_member(self.path, archive, place, self.parameters.max_bytes)
        raise UserError(
            f"{self.path}: no array '{names[0]}' or '{names[1]}', found {listed(known) or 'none'}"
        )

    def _fit(self, name: str, images: np.ndarray, labels: np.ndarray) -> None:
        """Raise UserError unless these are images, and as many labels."""
        if images.ndim not in (3, 4) or not images.size or images.dtype.kind not in "buif":
            raise UserError(
                f"{self.path}: {name} is {images.dtype} of shape {images.shape}, expected uint8 "
                "(images, height, width) or (images, height, width, channels)"
            )
        if labels.shape[:1] != (labels.size,) or len(labels) != len(images):
            raise UserError(
                f"{self.path}: labels beside {name} are of shape {labels.shape}, expected one for "
                f"each of {len(images)} images"
            )

    def _bytes(self, images: Arrays) -> Arrays:
        """Return the pixels on 256 steps, both arrays on one scale; UserError for other values."""
        if all(x.dtype == np.uint8 for _, x in images):
            return images
        if images[0][1].dtype.kind == "b":
            return [(name, x.astype(np.uint8) * np.uint8(255)) for name, x in images]
        low, high = min(x.min() for _, x in images), max(x.max() for _, x in images)
        names = f"{images[0][0]} and {images[1][0]}"
        if not (low >= 0 and high <= 255):
            raise UserError(
                f"{self.path}: {names} go from {low:g} to {high:g}, expected 0 to 255, or "
                "fractions from 0 to 1"
            )
        if images[0][1].dtype.kind != "f":
            return [(name, x.astype(np.uint8)) for name, x in images]
        scale = 255.0 if high <= 1 else 1.0
        self.said.append(
            f"{self.path}: {names} are fractions from {low:g} to {high:g}, read as "
            f"{'shares of white' if scale > 1 else '0 to 255'}"
        )
        return [(name, np.rint(x * scale).astype(np.uint8)) for name, x in images]

    def _grids(self, name: str, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return (N, H, W), or (N, H, W, C) of several channels; UserError where not certain."""
        if images.ndim == 3:
            return images
        first = self.parameters.channels == "first"
        if self.parameters.channels is None:
            first, last = (images.shape[axis] in COLOURS for axis in (1, 3))
            if first == last:
                raise UserError(
                    f"{self.path}: {name} has the shape {images.shape}, expected channels (1 or 3) "
                    "in the last axis or in the second; data.channels says in which"
                )
        images = np.moveaxis(images, 1, 3) if first else images
        return np.ascontiguousarray(images[..., 0] if images.shape[3] == 1 else images)


def read_member(path: Path, archive: zipfile.ZipFile, place: str, most: int) -> npt.NDArray[Any]:
    """Return an array of an archive, whose size is checked before it is read; raises UserError."""
    label, declared = f"{path}: {place.removesuffix('.npy')}", archive.getinfo(place)
    with parsing(label, "an array of numbers or texts"), archive.open(place) as file:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise UserError(f"{label}: version {version} of NumPy's format, expected 1.0 or 2.0")
        shape, _, dtype = _HEADERS[version](file)
        size = math.prod(shape) * dtype.itemsize
        held = min(declared.file_size, MOST_PACKED * declared.compress_size) - file.tell()
        if min(shape, default=0) < 0 or dtype.hasobject or size > max(held, 0):
            raise UserError(
                f"{label}: {dtype} of shape {shape}, {size:,} bytes, in a part of the archive with "
                f"{held:,}, expected an array of numbers or texts, and whole"
            )
        if size > most:
            raise too_large(label, size, most)
        must_fit(size, f"data.path: {label} takes", "fewer images, or smaller ones")
    with parsing(label, "an array of numbers or texts"), archive.open(place) as file:
        # Without pickles: an archive is data, never code.
        return np.lib.format.read_array(file, allow_pickle=False)


_HEADERS: dict[tuple[int, int], Callable[[Any], tuple[tuple[int, ...], bool, np.dtype[Any]]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _labels(path: Path, name: str, labels: np.ndarray) -> npt.NDArray[Any]:
    """Return integers or texts (N,); UserError for anything else."""
    flat = labels.reshape(-1)
    if flat.dtype.kind == "f" and (np.abs(flat) < _LARGEST).all() and (flat == np.rint(flat)).all():
        return flat.astype(np.int64)
    if flat.dtype.kind == "S":
        with parsing(f"{path}: {name}", "integers or texts in UTF-8"):
            flat = np.char.decode(flat, "utf-8")
    if flat.dtype.kind not in "biuU":
        raise UserError(f"{path}: {name} are {flat.dtype}, expected integers or texts")
    # Signed and unsigned numbers of any size are the same classes.
    if flat.dtype.kind == "u" and flat.max(initial=0) > _LARGEST:
        raise UserError(f"{path}: {name} reach {flat.max()}, expected at most {_LARGEST}")
    return flat if flat.dtype.kind == "U" else flat.astype(np.int64)
