"""The noise score: how many images a classifier still knows when pixels are lost to noise.

Protocol of Ahmad, Scheinkman 2019 ("How Can We Be So Dense?") as the authors' programs do it: at
each of 11 levels 0, .05 ... .5 exactly int(pixels * level) random pixels of every image become
mean + 2 standard deviations of the data set (MNIST: .1307 + 2 * .3081 of white). The score is the
number of images classified right, summed over the levels; with 10,000 images at most 110,000.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from htmrun.backends import rng
from htmrun.backends.rng import Purpose
from htmrun.components.registry import register
from htmrun.components.sources import Chunk, Source
from htmrun.training.measures.measure import Found, Measure, Metric, Run

LEVELS = tuple(round(0.05 * i, 2) for i in range(11))
MEAN, STD = 0.1307, 0.3081
CHUNK = 500


@register("measure")
class PixelNoise(Measure):
    """The score at the end, of as many images as the configuration says."""

    metrics: ClassVar = (
        Metric("noise_score", "representation", "up", "images classified right, summed over 11 "
               "levels of pixel noise from 0 to 50 %", "images", "Ahmad, Scheinkman 2019",
               main=("classification",)),
        Metric("noise_score_area", "representation", "up", "share of right answers over the same "
               "levels", "share"),
    )  # fmt: skip
    order = 30

    def finish(self, run: Run) -> Found:
        """Return the score and its curve; empty where no images are asked for."""
        if run.course.noise_images == 0:
            return Found()
        return noise_score(run.pipeline, run.source, run.job.seed, run.course.noise_images)


def noise_score(model: Any, source: Source, seed: int, count: int | None) -> Found:
    """Return the score with its share of what is possible, and the accuracy at each level.

    model: anything with `compute(chunk)`. count: held-out images, the first so many; None: all.
    The same pixels are hit for every model, and those of a level are hit at higher ones too.
    """
    right = np.zeros(len(LEVELS), np.int64)
    seen = 0
    for chunk in source.test(CHUNK) or ():
        piece = chunk if count is None else chunk.slice(0, max(0, count - seen))
        if not len(piece):
            break
        images = piece.fields["image"]
        order = pixel_order(len(images), images.shape[1] * images.shape[2], seed, seen)
        for place, level in enumerate(LEVELS):
            noisy = with_noise(images, order, level, white_of(source))
            given = Chunk({"image": noisy}, piece.target, piece.reset, piece.scored)
            guess = model.compute(given).scores[0].probability.argmax(1)
            right[place] += int((guess == piece.target).sum())
        seen += len(piece)
    if not seen:
        return Found()
    metrics = {
        "noise_score": float(right.sum()),
        "noise_score_area": float(right.sum() / (seen * len(LEVELS))),
    }
    return Found(metrics, {"noise_score_curve": right / seen})


def pixel_order(images: int, pixels: int, seed: int, first: int = 0) -> npt.NDArray[np.int64]:
    """Return for each image the order in which noise hits its pixels, (images, pixels)."""
    number = np.arange(first, first + images, dtype=np.uint64)
    word = rng.hash2(
        rng.key(seed, Purpose.NOISE), number[:, None], np.arange(pixels, dtype=np.uint64)
    )
    return np.argsort(word, axis=1, kind="stable")


def with_noise(
    images: np.ndarray, order: npt.NDArray[np.int64], level: float, white: float
) -> npt.NDArray[np.float32]:
    """Return float32 images in which int(pixels * level) pixels each have the noise value."""
    noisy = images.astype(np.float32).reshape(len(images), order.shape[1], -1)
    hit = order[:, : int(order.shape[1] * level), None]
    np.put_along_axis(noisy, hit, np.float32((MEAN + 2 * STD) * white), axis=1)
    return noisy.reshape(images.shape)


def white_of(source: Source) -> float:
    """Return the pixel value that counts as white in a source of images."""
    return float(getattr(source, "white", 255.0))
