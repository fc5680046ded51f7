"""Labelled images held in memory, split into training and held-out ones."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from htmrun.backends import rng
from htmrun.backends.parameters import round_half_up
from htmrun.components import registry
from htmrun.components.files import MOST_BYTES
from htmrun.components.registry import Section
from htmrun.components.sources import (
    Chunk,
    MaxBytes,
    Shapes,
    Source,
    SourceParameters,
    resolve_path,
)
from htmrun.components.sources.shifting import check_shift, moved, offsets
from htmrun.components.sources.tasks import TasksParameters, TaskStream
from htmrun.errors import UserError

Limit = Annotated[int | None, Field(ge=1)]
Move = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.int64]], npt.NDArray[np.uint8]]


class ImagesParameters(SourceParameters):
    """What a user can set on every source of labelled images."""

    held_out: Literal["test", "validation", "best_epoch"] = Field(
        "test",
        description="What results are measured on; validation: on a share of the training images, "
        "which is not learned then, and the test images are not used at all; best_epoch: on the "
        "test images, but of the epoch that did best on such a share.",
    )
    validation_fraction: float = Field(
        0.2, gt=0.0, lt=1.0, description="Share of each class of the training images, if so."
    )
    shift: int = Field(
        0,
        ge=0,
        le=64,
        description="Each time an image is learned it is moved by up to so many pixels up or down, "
        "and left or right; the pixels at its edge go on. 0: never.",
    )
    tasks: Annotated[TasksParameters, Section(("tasks",), TasksParameters)] | None = Field(
        None,
        description="Tasks one after the other made of the images, e.g. {kind: rotated, count: 5}, "
        "permuted or by_class; null: one task.",
    )


class ImageFilesParameters(ImagesParameters):
    """What a user can set on every source of image files."""

    train_samples: Limit = Field(
        None,
        description="Use so many training images: of each class its share, the first in the order "
        "of the files; null: all.",
    )
    test_samples: Limit = Field(None, description="The same of the test images; null: all.")
    max_bytes: MaxBytes = MOST_BYTES


@dataclass(frozen=True)
class LabelledImages:
    """images: uint8 (N, H, W) or (N, H, W, C); labels: int64 (N,), the class of each from 0 on.

    As they are read from files, labels may be any numbers or texts; see `numbered`.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, chosen: npt.NDArray[np.bool_] | slice) -> LabelledImages:
        """Return the samples that a mask or a slice chooses."""
        return LabelledImages(self.images[chosen], self.labels[chosen])

    def chunks(
        self, order: npt.NDArray[np.int64], chunk: int, move: Move | None = None
    ) -> Iterator[Chunk]:
        """Yield the samples `order` names; every image is a sequence of its own.

        move: what is done to images, of which it is told the places.
        """
        for start in range(0, len(order), chunk):
            part = order[start : start + chunk]
            flags = np.ones(len(part), np.uint8)
            images = self.images[part]
            images = move(images, part) if move else images
            yield Chunk({"image": images}, self.labels[part], flags, flags)

    def shuffled(self, seed: int, epoch: int, chunk: int, shift: int = 0) -> Iterator[Chunk]:
        """Yield all samples in the order of (seed, epoch), each moved by up to `shift` pixels."""

        def move(images: npt.NDArray[np.uint8], places: npt.NDArray[np.int64]) -> Any:
            return moved(images, offsets(seed, epoch, places, shift), shift)

        order = rng.permutation(seed, rng.Purpose.SHUFFLE, epoch, len(self))
        return self.chunks(order, chunk, move if shift else None)

    def in_order(self, chunk: int) -> Iterator[Chunk]:
        """Yield all samples as stored."""
        return self.chunks(np.arange(len(self)), chunk)

    def update(self, digest: Any) -> None:
        """Feed shape, pixels and labels to a hashlib object."""
        digest.update(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)


Split = tuple[LabelledImages, LabelledImages]


class SplitImages(Source):
    """Training and test images in memory; they are read when they are first needed."""

    task = "classification"
    fields = ("image",)
    white = 255.0
    name: str
    ranges: Mapping[str, tuple[float, float]] = {}
    split_seed: int = 0
    """Chooses the validation images."""
    names: tuple[str, ...] | None = None
    """Names of the classes; None: their numbers, or, of files, what labels they have."""
    _kept: LabelledImages

    @abstractmethod
    def read(self) -> Split:
        """Return all training and all test images, and set `names` where they are found."""

    def in_tasks(self) -> Source:
        """Return the stream of tasks that is asked for, or itself."""
        tasks = self.parameters.tasks
        return self if tasks is None else TaskStream(self, tasks)

    @cached_property
    def split(self) -> Split:
        """Training and held-out images; UserError if a class falls out of one of them.

        Held out are the test images, or validation images: then the test images are in neither.
        """
        train, test = self.read()
        p = self.parameters
        check_shift(p.shift, train.images.shape[1:3])
        if p.held_out == "test":
            return train, test
        train, self._kept = apart(train, p.validation_fraction, self.split_seed)
        return train, self._kept if p.held_out == "validation" else test

    @cached_property
    def shapes(self) -> Shapes:
        """Rows, columns and, of colour images, channels."""
        known = self.known_shapes(self.parameters)
        return known or {"image": self.split[0].images.shape[1:]}

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers."""
        if self.names is None:
            highest = max(part.labels.max() for part in self.split)
        return self.names or tuple(map(str, range(1 + int(highest))))

    @cached_property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @cached_property
    def samples(self) -> int:
        """Training images."""
        return len(self.split[0])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the pixels and labels of both parts."""
        digest = hashlib.sha256(registry.of(self.parameters).name.encode())
        for part in self.split:
            part.update(digest)
        return digest.hexdigest()

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        """Yield the training images, shuffled for (seed, epoch)."""
        return self.split[0].shuffled(seed, epoch, chunk, self.parameters.shift)

    def test(self, chunk: int) -> Iterator[Chunk]:
        """Yield the held-out images as stored."""
        return self.split[1].in_order(chunk)

    def validation(self, chunk: int) -> Iterator[Chunk] | None:
        """Yield the images that choose the reported epoch; None unless that is asked for."""
        if self.parameters.held_out != "best_epoch":
            return None
        assert self.split
        return self._kept.in_order(chunk)


class ImageFiles(SplitImages):
    """Images in files at `path`; None: in a collection that is downloaded."""

    expected: ClassVar[str] = "a file or folder"
    """What must be at the path."""
    collected: int = 0
    """Training images in the collection, known without reading one."""

    def __init__(self, parameters: Any, base: Path) -> None:
        """Raises UserError if nothing is at the path."""
        super().__init__(parameters, base)
        self.said: list[str] = []
        self.path: Path | None = None
        if parameters.path is not None:
            self.path = resolve_path(parameters.path, base)
            self.name = self.path.stem
            self.look(self.path)

    def look(self, path: Path) -> None:
        """Raise UserError unless the files are there."""
        if not path.exists():
            raise UserError(f"data.path: {path} does not exist, expected {self.expected}")

    @abstractmethod
    def parts(self) -> Split:
        """Return all training and test images that there are, with the labels of the files.

        Sets `names` where classes have them; then labels are numbers of names. What a user should
        know of how they were read goes into `said`, a line each.
        """

    @property
    def notes(self) -> tuple[str, ...]:
        """What was said when the files were read; reads them, but never a collection."""
        return (*self.said,) if self.path is None or self.split else ()

    def read(self) -> Split:
        """Return as many as are wanted; UserError where training and test differ in shape."""
        p = self.parameters
        train, test = self.parts()
        if self.names is None:
            self.names, train, test = self._numbered(train, test)
        train = self._share(train, p.train_samples, "train_samples")
        test = self._share(test, p.test_samples, "test_samples")
        if train.images.shape[1:] != test.images.shape[1:]:
            raise UserError(
                f"{self.path}: test images of {test.images.shape[1:]} pixels, expected "
                f"{train.images.shape[1:]} as in training"
            )
        return train, test

    def _numbered(
        self, train: LabelledImages, test: LabelledImages
    ) -> tuple[tuple[str, ...], LabelledImages, LabelledImages]:
        """Return the names of the classes, and the images with the numbers of these as labels."""
        names, numbers = numbered([train.labels, test.labels])
        train, test = (
            LabelledImages(part.images, found)
            for part, found in zip((train, test), numbers, strict=True)
        )
        only = np.setdiff1d(test.labels, train.labels)
        if len(only):
            listed = ", ".join(f"'{names[i]}'" for i in only)
            self.said.append(f"{self.path}: class {listed} is in test only, where it counts")
        return names, train, test

    def _share(self, part: LabelledImages, wanted: int | None, field: str) -> LabelledImages:
        """Return so many images, of each class its share; None: all."""
        if wanted is None:
            return part
        if wanted > len(part):
            self.said.append(f"data.{field}: {wanted} are asked for, all {len(part)} are used")
            return part
        chosen = part.part(share_of_each(part.labels, wanted))
        there, kept = len(np.unique(part.labels)), len(np.unique(chosen.labels))
        if kept < there:
            self.said.append(f"data.{field}: {wanted} images are of {kept} of {there} classes")
        return chosen

    @cached_property
    def samples(self) -> int:
        """Training images; known without a download as long as none are kept aside."""
        if self.path is None and self.parameters.held_out == "test":
            return min(self.collected, self.parameters.train_samples or self.collected)
        return len(self.split[0])


def numbered(
    labels: Sequence[npt.NDArray[Any]],
) -> tuple[tuple[str, ...], list[npt.NDArray[np.int64]]]:
    """Return the names of the classes that occur in any of the arrays, and these as their numbers.

    Ascending: numbers, and texts that are all numbers, by value, other texts by character.
    """
    found = np.unique(np.concatenate(labels))
    if found.dtype.kind in "US":
        with suppress(ValueError):
            found = found[np.argsort([int(text) for text in found], kind="stable")]
    place = {label: number for number, label in enumerate(found.tolist())}
    numbers = [np.array([place[x] for x in part.tolist()], np.int64) for part in labels]
    return tuple(map(str, found.tolist())), numbers


def share_of_each(labels: npt.NDArray[np.int64], wanted: int) -> npt.NDArray[np.bool_]:
    """Return a mask (N,) of the first samples of each class, `wanted` <= N in all.

    A class has its share, rounded down; what is left goes, one each, to those with the largest
    remainder, the lowest first. Where there are enough none is without a sample.
    """
    classes, counts = np.unique(labels, return_counts=True)
    exact = wanted * counts
    quota, rest = exact // len(labels), exact % len(labels)
    quota[np.argsort(-rest, kind="stable")[: wanted - quota.sum()]] += 1
    if wanted >= len(classes):
        for empty in np.flatnonzero(quota == 0):
            quota[quota.argmax()] -= 1
            quota[empty] = 1
    mask = np.zeros(len(labels), bool)
    for label, first in zip(classes, quota, strict=True):
        mask[np.flatnonzero(labels == label)[:first]] = True
    return mask


def held_out(
    labels: npt.NDArray[np.int64], fraction: float, split_seed: int, part: int = 0
) -> npt.NDArray[np.bool_]:
    """Return a mask (N,) that holds out half-up(fraction * n) random samples of each class.

    Another `part` chooses independently.
    """
    mask = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place = part * (_PLACES if label < _PLACES else _MORE_PLACES) + int(label)
        order = rng.permutation(split_seed, rng.Purpose.SPLIT, place, len(members))
        mask[members[order[: round_half_up(fraction * len(members))]]] = True
    return mask


def apart(train: LabelledImages, fraction: float, split_seed: int) -> Split:
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
    return train.part(~held), train.part(held)


# So that classes of one part never meet those of another.
_PLACES = 256
_MORE_PLACES = 1 << 40
