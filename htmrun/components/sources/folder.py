"""Image files in a folder for each class."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from htmrun._imports import PIL
from htmrun.components.registry import register
from htmrun.components.sources.images import (
    ImageFiles,
    ImageFilesParameters,
    LabelledImages,
    Split,
    held_out,
)
from htmrun.errors import UserError, one_of

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff")


class FolderParameters(ImageFilesParameters):
    """Image files in a folder for each class, with or without folders train and test above."""

    kind: Literal["folder"] = "folder"
    path: str = Field(
        ..., description="Folder with train/CLASS/*.png and test/CLASS/*.png, or with CLASS/*.png."
    )
    grey: bool = Field(True, description="Images are read as grey values; false: as colours.")
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
            names = self.names = _classes(train)
            odd = [name for name in _classes(test) if name not in names]
            if odd:
                raise UserError(f"{test / odd[0]}: no class of training, {one_of(odd[0], names)}")
            first = self._images(train, names)
            return first, self._images(test, names, first.images.shape[1:3])
        names = self.names = _classes(self.path)
        whole = self._images(self.path, names)
        mask = held_out(whole.labels, self.parameters.test_fraction, split_seed=0)
        if not mask.any() or mask.all():
            raise UserError(
                f"data.test_fraction: {self.parameters.test_fraction} of {len(mask)} images leaves "
                "nothing to learn or nothing to test, expected between"
            )
        return whole.part(~mask), whole.part(mask)

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
