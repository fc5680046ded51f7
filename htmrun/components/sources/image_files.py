"""Labelled images in files: CIFAR-10's binary format, a folder for each class, NumPy archives."""

from __future__ import annotations

import hashlib
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun._imports import PIL
from htmrun.components.registry import register
from htmrun.components.sources import Chunk, Task, resolve_path
from htmrun.components.sources.download import CIFAR10_FILES, fetch_cifar10
from htmrun.components.sources.images import LabelledImages, apart, held_out
from htmrun.components.sources.parameters import Cifar10Parameters, FolderParameters, NpzParameters
from htmrun.errors import UserError, nearest

Split = tuple[LabelledImages, LabelledImages]
CIFAR_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
CIFAR_SAMPLES = 50_000
CIFAR_RECORD = 1 + 3 * 32 * 32
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff")


class ImageFilesSource(ABC):
    """What sources of image files have in common; files are read when first needed."""

    task: Task = "classification"
    ranges: Mapping[str, tuple[float, float]] = {}
    white = 255.0
    _kept: LabelledImages

    def __init__(
        self, parameters: Cifar10Parameters | FolderParameters | NpzParameters, base: Path
    ) -> None:
        """Raises UserError if nothing is at the path."""
        self.parameters = parameters
        assert parameters.path is not None
        self.path = resolve_path(parameters.path, base)
        self.name = self.path.stem
        if not self.path.exists():
            raise UserError(f"data.path: {self.path} does not exist, expected {self.expected}")

    expected = "a file or folder"

    @abstractmethod
    def _read(self) -> tuple[Split, tuple[str, ...]]:
        """Return training and test images, and the names of the classes."""

    @cached_property
    def _all(self) -> tuple[Split, tuple[str, ...]]:
        (train, test), names = self._read()
        p = self.parameters
        train = LabelledImages(train.images[: p.train_samples], train.labels[: p.train_samples])
        test = LabelledImages(test.images[: p.test_samples], test.labels[: p.test_samples])
        if train.images.shape[1:] != test.images.shape[1:]:
            raise UserError(
                f"{self.path}: test images of shape {test.images.shape[1:]}, expected "
                f"{train.images.shape[1:]} as in training"
            )
        if p.held_out == "test":
            return (train, test), names
        train, self._kept = apart(train, p.validation_fraction, split_seed=0)
        return (train, self._kept if p.held_out == "validation" else test), names

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Rows, columns and, of colour images, channels."""
        return {"image": self._all[0][0].images.shape[1:]}

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers."""
        return self._all[1]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def samples(self) -> int:
        """Training images."""
        return len(self._all[0][0])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the pixels and labels of both parts."""
        digest = hashlib.sha256(self.parameters.kind.encode())
        for part in self._all[0]:
            part.update(digest)
        return digest.hexdigest()

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        """Yield the training images, shuffled for (seed, epoch)."""
        return self._all[0][0].shuffled(seed, epoch, chunk)

    def test(self, chunk: int) -> Iterator[Chunk]:
        """Yield the held-out images as stored."""
        return self._all[0][1].in_order(chunk)

    def validation(self, chunk: int) -> Iterator[Chunk] | None:
        """Yield the images that choose the reported epoch; None unless that is asked for."""
        if self.parameters.held_out != "best_epoch":
            return None
        assert self._all
        return self._kept.in_order(chunk)


@register("source", Cifar10Parameters)
class Cifar10Source(ImageFilesSource):
    """CIFAR-10, binary version: data_batch_1.bin to data_batch_5.bin and test_batch.bin."""

    parameters: Cifar10Parameters
    expected = "the folder of CIFAR-10's binary version (data_batch_1.bin ... test_batch.bin)"

    def __init__(self, parameters: Cifar10Parameters, base: Path) -> None:
        """Without a path the files are downloaded when they are first needed."""
        if parameters.path is not None:
            super().__init__(parameters, base)
        else:
            self.parameters, self.name = parameters, "cifar10"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Rows, columns and channels; known without reading an image."""
        return {"image": (32, 32, 3)}

    @property
    def class_names(self) -> tuple[str, ...]:
        """What is in the pictures, in the order of the labels."""
        return CIFAR_CLASSES

    @property
    def samples(self) -> int:
        """Training images; known without a download as long as none are kept aside."""
        if self.parameters.path is None and self.parameters.held_out == "test":
            return min(CIFAR_SAMPLES, self.parameters.train_samples or CIFAR_SAMPLES)
        return super().samples

    def _read(self) -> tuple[Split, tuple[str, ...]]:
        folder = fetch_cifar10() if self.parameters.path is None else self.path
        parts = [read_cifar(folder / name) for name in CIFAR10_FILES]
        images = np.concatenate([part.images for part in parts[:5]])
        labels = np.concatenate([part.labels for part in parts[:5]])
        return (LabelledImages(images, labels), parts[5]), CIFAR_CLASSES


def read_cifar(file: Path) -> LabelledImages:
    """Return the images (N, 32, 32, 3) of one file of records: a label, then three planes."""
    try:
        data = np.fromfile(file, np.uint8)
    except OSError as error:
        raise UserError(
            f"{file}: cannot be read ({error.strerror}), expected a file of CIFAR-10's binary "
            "version"
        ) from None
    if not len(data) or len(data) % CIFAR_RECORD:
        raise UserError(
            f"{file}: {len(data)} bytes, expected a multiple of {CIFAR_RECORD} (label and pixels)"
        )
    records = data.reshape(-1, CIFAR_RECORD)
    if records[:, 0].max() > 9:
        raise UserError(f"{file}: label {records[:, 0].max()}, expected 0 to 9")
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    return LabelledImages(images, records[:, 0].astype(np.int64))


@register("source", FolderParameters)
class FolderSource(ImageFilesSource):
    """PATH/train/CLASS/*.png and PATH/test/CLASS/*.png, or PATH/CLASS/*.png alone."""

    expected = "a folder with one folder of images for each class"
    parameters: FolderParameters

    def _read(self) -> tuple[Split, tuple[str, ...]]:
        train, test = self.path / "train", self.path / "test"
        if train.is_dir() and test.is_dir():
            names = _classes(train)
            odd = [name for name in _classes(test) if name not in names]
            if odd:
                raise UserError(
                    f"{test / odd[0]}: no class of training, expected one of {', '.join(names)}"
                    f"{nearest(odd[0], names)}"
                )
            first = self._images(train, names)
            return (first, self._images(test, names, first.images.shape[1:3])), names
        names = _classes(self.path)
        whole = self._images(self.path, names)
        mask = held_out(whole.labels, self.parameters.test_fraction, split_seed=0)
        if not mask.any() or mask.all():
            raise UserError(
                f"data.test_fraction: {self.parameters.test_fraction} of {len(mask)} images leaves "
                "nothing to learn or nothing to test, expected between"
            )
        parts = [LabelledImages(whole.images[m], whole.labels[m]) for m in (~mask, mask)]
        return (parts[0], parts[1]), names

    def _images(
        self, folder: Path, names: tuple[str, ...], shape: tuple[int, ...] | None = None
    ) -> LabelledImages:
        pixels, labels = [], []
        for label, name in enumerate(names):
            for file in _files(folder / name):
                try:
                    with PIL.Image.open(file) as image:
                        array = np.asarray(image.convert("L" if self.parameters.grey else "RGB"))
                except (PIL.UnidentifiedImageError, OSError) as error:
                    reason = getattr(error, "strerror", None) or "no image that Pillow knows"
                    raise UserError(f"{file}: {reason}, expected an image") from None
                shape = shape or array.shape[:2]
                if array.shape[:2] != shape:
                    raise UserError(
                        f"{file}: {array.shape[0]} x {array.shape[1]} pixels, expected "
                        f"{shape[0]} x {shape[1]} as in the first image"
                    )
                pixels.append(array)
                labels.append(label)
        if not pixels:
            raise UserError(f"{folder}: no images, expected files such as CLASS/1.png")
        return LabelledImages(np.stack(pixels).astype(np.uint8), np.array(labels, np.int64))


def _classes(folder: Path) -> tuple[str, ...]:
    names = tuple(sorted(p.name for p in folder.iterdir() if p.is_dir())) if folder.is_dir() else ()
    if not names:
        raise UserError(f"{folder}: no folders, expected one for each class")
    return names


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)


@register("source", NpzParameters)
class NpzSource(ImageFilesSource):
    """A NumPy archive with images and labels of training and test."""

    expected = "a file made by numpy.savez"
    NAMES = (
        ("train_images", "x_train"), ("train_labels", "y_train"),
        ("test_images", "x_test"), ("test_labels", "y_test"),
    )  # fmt: skip

    def _read(self) -> tuple[Split, tuple[str, ...]]:
        try:
            # Without pickles: an archive is data, never code.
            with np.load(self.path, allow_pickle=False) as archive:
                arrays = [self._array(archive, names) for names in self.NAMES]
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise UserError(f"{self.path}: {error}, expected {self.expected}") from None
        train, test = (self._part(arrays[i], arrays[i + 1], self.NAMES[i][0]) for i in (0, 2))
        classes = 1 + int(max(train.labels.max(), test.labels.max()))
        return (train, test), tuple(map(str, range(classes)))

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
