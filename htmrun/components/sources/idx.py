"""Image files in the IDX format (LeCun, Cortes, Burges: "The MNIST database").

An IDX file is two zero bytes, a type code, the number of dimensions, one big-endian
32-bit length per dimension, then the values in row-major order.
"""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from pydantic import Field

from htmrun.components.files import MOST_BYTES, MOST_PACKED, Unpacked, opened, take, too_large
from htmrun.components.memory import must_fit
from htmrun.components.registry import register
from htmrun.components.sources import Shapes
from htmrun.components.sources.download import FASHION_MNIST, MNIST, fetch
from htmrun.components.sources.images import (
    ImageFiles,
    ImageFilesParameters,
    LabelledImages,
    Split,
)
from htmrun.errors import UserError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
AXES = 8
"""Axes that an array has at most; images have three, or four."""
EXPECTED = "an IDX file"


def read_idx(path: Path, most: int = MOST_BYTES) -> np.ndarray:
    """Return the array in an IDX file, plain or gzip; raises UserError if it is anything else.

    most: bytes of the file, unpacked.
    """
    with opened(path, EXPECTED, most=most) as plain:
        size = os.fstat(plain.fileno()).st_size
        packed = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        if not packed:
            return _array(path, plain, size, None, most)
        with io.BufferedReader(Unpacked(plain, path, EXPECTED, most)) as file:
            return _array(path, file, None, size * MOST_PACKED, most)


def _array(path: Path, file: BinaryIO, size: int | None, room: int | None, most: int) -> np.ndarray:
    """Return the array; size: bytes that there are, None: not known, but at most `room`."""
    head = take(file, 4)
    if len(head) < 4 or head[0] or head[1]:
        raise UserError(
            f"{path}: begins with {head.hex(' ') or 'nothing'}, expected an IDX header "
            "(00 00, type, dimensions)"
        )
    kind, dimensions = head[2], head[3]
    if kind not in TYPES:
        known = ", ".join(f"{code:02x}" for code in TYPES)
        raise UserError(f"{path}: IDX type {kind:02x}, expected one of {known}")
    if not 1 <= dimensions <= AXES:
        raise UserError(f"{path}: {dimensions} dimensions, expected 1 to {AXES}")
    lengths, start = take(file, 4 * dimensions), 4 + 4 * dimensions
    if len(lengths) < 4 * dimensions:
        raise UserError(
            f"{path}: {4 + len(lengths)} bytes, expected {dimensions} dimensions in a header"
        )
    shape, dtype = tuple(np.frombuffer(lengths, ">u4").tolist()), np.dtype(TYPES[kind])
    expected = start + math.prod(shape) * dtype.itemsize
    whole = f"expected {expected} for shape {' x '.join(map(str, shape))}"
    if size is not None and size != expected:
        raise UserError(f"{path}: {size} bytes after unpacking, {whole}")
    if room is not None and expected > room:
        raise UserError(f"{path}: at most {room} bytes after unpacking, {whole}")
    # Also an axis of none does not let the others be of any length.
    largest = start + math.prod(axis or 1 for axis in shape) * dtype.itemsize
    if largest > most:
        raise too_large(path, largest, most)
    must_fit(expected, f"data.path: {path} takes", "a smaller file")
    data = take(file, expected - start)
    if len(data) != expected - start or file.read(1):
        found = f"{start + len(data)}" if len(data) != expected - start else f"over {expected}"
        raise UserError(f"{path}: {found} bytes after unpacking, {whole}")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def find_idx(directory: Path, part: str, what: str) -> Path:
    """Return the file of `part` (train, t10k) and `what` (images-idx3, labels-idx1)."""
    stems = [f"{part}-{what}-ubyte", f"{part}-{what.replace('-', '.')}-ubyte"]
    for name in [n for stem in stems for n in (stem, f"{stem}.gz")]:
        if os.path.lexists(directory / name):
            return directory / name
    if not directory.is_dir():
        raise UserError(f"data.path: {directory} is no directory, expected one with IDX files")
    found = sorted(p.name for p in directory.iterdir())[:6]
    raise UserError(
        f"data.path: {directory} has no {stems[0]}[.gz]; found {', '.join(found) or 'nothing'}"
    )


def read_labelled(directory: Path, part: str, most: int = MOST_BYTES) -> LabelledImages:
    """Return the images and labels of one part of a data set."""
    image_file, label_file = (find_idx(directory, part, w) for w in ("images-idx3", "labels-idx1"))
    images = read_idx(image_file, most)
    if images.dtype != np.uint8 or images.ndim != 3:
        raise UserError(
            f"{image_file}: {images.dtype} in {images.ndim} dimensions, expected uint8 in 3"
        )
    labels = read_idx(label_file, most)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise UserError(
            f"{label_file}: {labels.dtype} in {labels.ndim} dimensions, expected integers in 1"
        )
    if len(images) != len(labels):
        raise UserError(
            f"{label_file}: {len(labels)} labels, expected {len(images)} as in {image_file.name}"
        )
    if not images.size:
        raise UserError(
            f"{image_file}: {len(images)} images of {images.shape[1]} x {images.shape[2]} pixels, "
            "expected at least one of each"
        )
    return LabelledImages(images, labels.astype(np.int64))


class IdxParameters(ImageFilesParameters):
    """Image files in the IDX format of MNIST and its relatives, plain or gzip."""

    kind: Literal["idx"] = "idx"
    path: str | None = Field(
        None,
        description="Directory with train-images-idx3-ubyte[.gz] and its three companions; null: "
        "`dataset`, downloaded once and checked.",
    )
    dataset: Literal["mnist", "fashion_mnist"] = Field(
        "mnist", description="What is downloaded. Unused with a path."
    )


@register("source", IdxParameters)
class IdxSource(ImageFiles):
    """MNIST or any data set in its format; files are read when first needed."""

    collected = 60_000

    def __init__(self, parameters: IdxParameters, base: Path) -> None:
        super().__init__(parameters, base)
        if self.path is None:
            self.name, self.names = parameters.dataset, tuple(map(str, range(10)))
        else:
            self.name = self.path.resolve().name

    def look(self, path: Path) -> None:
        """Raise UserError if one of the four files is not there."""
        for part in ("train", "t10k"):
            for what in ("images-idx3", "labels-idx1"):
                find_idx(path, part, what)

    @classmethod
    def known_shapes(cls, parameters: IdxParameters) -> Shapes:
        """28x28 pixels of what is downloaded; files may have others."""
        return {"image": (28, 28)} if parameters.path is None else {}

    def parts(self) -> Split:
        """Return the images of all four files, downloaded where no path is given."""
        known = {"mnist": MNIST, "fashion_mnist": FASHION_MNIST}
        directory = self.path or fetch(known[self.parameters.dataset])
        return (
            read_labelled(directory, "train", self.parameters.max_bytes),
            read_labelled(directory, "t10k", self.parameters.max_bytes),
        )
