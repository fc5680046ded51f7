"""Image files in the IDX format (LeCun, Cortes, Burges: "The MNIST database").

An IDX file is two zero bytes, a type code, the number of dimensions, one big-endian
32-bit length per dimension, then the values in row-major order.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from htmrun.components.registry import register
from htmrun.components.sources import Chunk, Task, resolve_path
from htmrun.components.sources.download import FASHION_MNIST, MNIST, fetch
from htmrun.components.sources.images import LabelledImages, apart
from htmrun.components.sources.parameters import IdxParameters
from htmrun.errors import UserError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MNIST_SHAPE = (28, 28)
MNIST_SAMPLES = 60_000


def read_idx(path: Path) -> np.ndarray:
    """Return the array in an IDX file, plain or gzip; raises UserError if it is anything else."""
    data = _unpacked(path)
    if len(data) < 4 or data[0] or data[1]:
        raise UserError(
            f"{path}: begins with {data[:4].hex(' ') or 'nothing'}, expected an IDX header "
            "(00 00, type, dimensions)"
        )
    kind, dimensions = data[2], data[3]
    if kind not in TYPES:
        known = ", ".join(f"{code:02x}" for code in TYPES)
        raise UserError(f"{path}: IDX type {kind:02x}, expected one of {known}")
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise UserError(f"{path}: {len(data)} bytes, expected {dimensions} dimensions in a header")
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", dimensions, 4))
    dtype = np.dtype(TYPES[kind])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise UserError(
            f"{path}: {len(data)} bytes after unpacking, expected {expected} for shape "
            f"{' x '.join(map(str, shape))}"
        )
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def _unpacked(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror}), expected an IDX file") from None
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as e:
        raise UserError(f"{path}: broken gzip file ({e}), expected an IDX file") from None


def find_idx(directory: Path, part: str, what: str) -> Path:
    """Return the file of `part` (train, t10k) and `what` (images-idx3, labels-idx1)."""
    stems = [f"{part}-{what}-ubyte", f"{part}-{what.replace('-', '.')}-ubyte"]
    for name in [n for stem in stems for n in (stem, f"{stem}.gz")]:
        if (directory / name).is_file():
            return directory / name
    if not directory.is_dir():
        raise UserError(f"data.path: {directory} is no directory, expected one with IDX files")
    found = sorted(p.name for p in directory.iterdir())[:6]
    raise UserError(
        f"data.path: {directory} has no {stems[0]}[.gz]; found {', '.join(found) or 'nothing'}"
    )


def read_labelled(directory: Path, part: str, limit: int | None) -> LabelledImages:
    """Return the first `limit` (None: all) images and labels of one part of a data set."""
    image_file, label_file = (find_idx(directory, part, w) for w in ("images-idx3", "labels-idx1"))
    images = _bytes_of(image_file, read_idx(image_file), 3)
    labels = _bytes_of(label_file, read_idx(label_file), 1)
    if len(images) != len(labels):
        raise UserError(
            f"{label_file}: {len(labels)} labels, expected {len(images)} as in {image_file.name}"
        )
    if len(images) == 0:
        raise UserError(f"{image_file}: no images, expected at least one")
    return LabelledImages(images[:limit], labels[:limit].astype(np.int64))


def _bytes_of(path: Path, values: np.ndarray, dimensions: int) -> npt.NDArray[np.uint8]:
    if values.dtype != np.uint8 or values.ndim != dimensions:
        raise UserError(
            f"{path}: {values.dtype} in {values.ndim} dimensions, expected uint8 in {dimensions}"
        )
    return values


@register("source", IdxParameters)
class IdxSource:
    """MNIST or any data set in its format; files are read when first needed."""

    task: Task = "classification"
    white = 255.0
    _kept: LabelledImages
    ranges: Mapping[str, tuple[float, float]] = {}

    def __init__(self, parameters: IdxParameters, base: Path) -> None:
        self.parameters = parameters
        self._directory: Path | None = None
        self.name: str = parameters.dataset
        if parameters.path is not None:
            self._directory = resolve_path(parameters.path, base)
            self.name = self._directory.resolve().name
            for part in ("train", "t10k"):
                for what in ("images-idx3", "labels-idx1"):
                    find_idx(self._directory, part, what)

    @cached_property
    def _parts(self) -> tuple[LabelledImages, LabelledImages]:
        if self._directory is None:
            known = {"mnist": MNIST, "fashion_mnist": FASHION_MNIST}
            self._directory = fetch(known[self.parameters.dataset])
        train = read_labelled(self._directory, "train", self.parameters.train_samples)
        test = read_labelled(self._directory, "t10k", self.parameters.test_samples)
        if train.images.shape[1:] != test.images.shape[1:]:
            raise UserError(
                f"{self._directory}: test images of {test.images.shape[1:]} pixels, expected "
                f"{train.images.shape[1:]} as in training"
            )
        p = self.parameters
        if p.held_out == "test":
            return train, test
        train, self._kept = apart(train, p.validation_fraction, split_seed=0)
        return train, self._kept if p.held_out == "validation" else test

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Rows and columns of an image; known for what is downloaded without reading it."""
        if self._directory is None:
            return {"image": MNIST_SHAPE}
        return {"image": self._parts[0].images.shape[1:]}

    @property
    def classes(self) -> int:
        """One more than the highest label."""
        if self._directory is None:
            return 10
        return 1 + int(max(part.labels.max() for part in self._parts))

    @property
    def class_names(self) -> tuple[str, ...]:
        """The labels as they stand in the file."""
        return tuple(map(str, range(self.classes)))

    @property
    def samples(self) -> int:
        """Training images."""
        if self._directory is None and self.parameters.held_out == "test":
            return min(MNIST_SAMPLES, self.parameters.train_samples or MNIST_SAMPLES)
        return len(self._parts[0])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the pixels and labels of both parts."""
        digest = hashlib.sha256(b"idx")
        for part in self._parts:
            part.update(digest)
        return digest.hexdigest()

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        """Yield the training images, shuffled for (seed, epoch)."""
        return self._parts[0].shuffled(seed, epoch, chunk)

    def test(self, chunk: int) -> Iterator[Chunk]:
        """Yield the test images as stored."""
        return self._parts[1].in_order(chunk)

    def validation(self, chunk: int) -> Iterator[Chunk] | None:
        """Yield the images that choose the reported epoch; None unless that is asked for."""
        if self.parameters.held_out != "best_epoch":
            return None
        assert self._parts
        return self._kept.in_order(chunk)
