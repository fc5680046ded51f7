"""Image files in a folder for each class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from htmrun.backends.parameters import NO_EFFECT
from htmrun.components.files import too_large
from htmrun.components.memory import must_fit
from htmrun.components.registry import register
from htmrun.components.sources.images import (
    ImageFiles,
    ImageFilesParameters,
    LabelledImages,
    Split,
    held_out,
)
from htmrun.components.sources.pictures import MOST_PIXELS, SUFFIXES, read_picture
from htmrun.errors import UserError, one_of

HIDDEN = ("__MACOSX", "__pycache__", "@eaDir", "Thumbs.db", "desktop.ini")
"""What systems leave in folders beside what begins with a dot."""
DARK = 4095
"""Sixteen bits that reach no further hold twelve, or eight, on a scale of their own."""
SHOWN = 3
"""Files that a note names."""


class FolderParameters(ImageFilesParameters):
    """Image files in a folder for each class, with or without folders train and test above."""

    kind: Literal["folder"] = "folder"
    path: str = Field(
        ..., description="Folder with train/CLASS/*.png and test/CLASS/*.png, or with CLASS/*.png."
    )
    grey: bool = Field(True, description="Images are read as grey values; false: as colours.")
    background: int | None = Field(
        None,
        ge=0,
        le=255,
        description="Grey value behind transparent pixels; null: images that have some are "
        "refused.",
    )
    max_pixels: int = Field(
        MOST_PIXELS,
        ge=1,
        le=1 << 40,
        description="Pixels that an image may have; a larger one is refused.",
        json_schema_extra=NO_EFFECT,
    )
    test_fraction: float = Field(
        0.2,
        gt=0.0,
        lt=1.0,
        description="Share of each class that is held out for testing, if there is no folder test.",
    )


@register("source", FolderParameters)
class FolderSource(ImageFiles):
    """PATH/train/CLASS/*.png and PATH/test/CLASS/*.png, or PATH/CLASS/*.png alone."""

    expected = "a folder with one folder of images for each class"
    path: Path

    def parts(self) -> Split:
        """Return the images of both folders, or of one, cut in two."""
        train, test = self.path / "train", self.path / "test"
        if train.is_dir() and test.is_dir():
            names = self.names = self._classes(train)
            odd = [name for name in self._classes(test) if name not in names]
            if odd:
                raise UserError(f"{test / odd[0]}: no class of training, {one_of(odd[0], names)}")
            first = self._images(train, names)
            shape = first.images.shape[1:3]
            return first, self._images(test, names, shape, every_class=False)
        names = self.names = self._classes(self.path)
        whole = self._images(self.path, names)
        mask = held_out(whole.labels, self.parameters.test_fraction, split_seed=0)
        if not mask.any() or mask.all():
            raise UserError(
                f"data.test_fraction: {self.parameters.test_fraction} of {len(mask)} images leaves "
                "nothing to learn or nothing to test, expected between"
            )
        return whole.part(~mask), whole.part(mask)

    def _images(
        self, folder: Path, names: tuple[str, ...], shape: tuple[int, ...] | None = None,
        every_class: bool = True,
    ) -> LabelledImages:  # fmt: skip
        """Return all pictures of a folder; UserError for one of another shape, or for none."""
        p, deepest = self.parameters, Deepest()
        pixels: list[npt.NDArray[np.uint8]] = []
        labels: list[int] = []
        listed = [self._files(folder / name) for name in names]
        for label, (name, files) in enumerate(zip(names, listed, strict=True)):
            if not files and every_class:
                raise UserError(
                    f"{folder / name}: no image in it ({', '.join(SUFFIXES)}), expected some in "
                    "the folder of a class"
                )
            if not files:
                self.said.append(f"{folder}: no image of class '{name}', which is not tested")
            for file in files:
                array, deep = read_picture(file, p.grey, p.background, p.max_pixels)
                deepest.add(file, deep)
                shape = shape or array.shape[:2]
                if array.shape[:2] != shape:
                    raise UserError(
                        f"{file}: {array.shape[0]} x {array.shape[1]} pixels, expected "
                        f"{shape[0]} x {shape[1]} as in the first image"
                    )
                if not pixels:
                    self._must_fit(folder, array.nbytes * sum(map(len, listed)))
                pixels.append(array)
                labels.append(label)
        if not pixels:
            raise UserError(f"{folder}: no images, expected files such as CLASS/1.png")
        deepest.check()
        return LabelledImages(np.stack(pixels), np.array(labels, np.int64))

    def _must_fit(self, folder: Path, size: int) -> None:
        """Raise UserError where all pictures of a folder are more than may be held in memory."""
        if size > self.parameters.max_bytes:
            raise too_large(folder, size, self.parameters.max_bytes)
        # Once as they come, once together.
        must_fit(2 * size, f"data.path: the images of {folder} take", "smaller or fewer images")

    def _classes(self, folder: Path) -> tuple[str, ...]:
        """Return the names of the folders; UserError where there are not at least two."""
        found = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
        names = tuple(name for name in found if not _hidden(name))
        if len(names) < 2:
            expected = "expected one for each class, and two classes at least"
            raise UserError(f"{folder}: {'one folder' if names else 'no folders'}, {expected}")
        return names

    def _files(self, folder: Path) -> list[Path]:
        """Return the pictures in a folder by their names, and say what else is there."""
        if not folder.is_dir():
            return []
        there = sorted(p for p in folder.iterdir() if not _hidden(p.name))
        pictures = [p for p in there if p.suffix.lower() in SUFFIXES and not p.is_dir()]
        others = [p.name for p in there if p not in set(pictures)]
        if others:
            more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
            self.said.append(
                f"{folder}: {', '.join(others[:SHOWN])}{more} left out, by name no image"
            )
        return pictures


@dataclass
class Deepest:
    """The brightest pixel of all pictures with sixteen bits, and a file that has one."""

    brightest: int = -1
    file: Path = Path()

    def add(self, file: Path, brightest: int | None) -> None:
        """Take in a picture; None: it has eight bits."""
        if brightest is not None and brightest > self.brightest:
            self.brightest, self.file = brightest, file

    def check(self) -> None:
        """Raise UserError where sixteen bits hold values that are meant on another scale."""
        if 0 <= self.brightest <= DARK:
            raise UserError(
                f"{self.file}: the brightest of all 16-bit images, with {self.brightest} of 65535, "
                "expected the whole range (or 8 bits)"
            )


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in HIDDEN
