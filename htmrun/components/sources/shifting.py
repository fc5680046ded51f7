"""Training images moved by a few pixels, anew in each epoch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from htmrun.backends import rng
from htmrun.errors import UserError

U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]


def check_shift(shift: int, shape: tuple[int, ...]) -> None:
    """Raise UserError where images of `shape` (rows, columns) could be moved out of themselves."""
    if shift >= min(shape):
        raise UserError(
            f"data.shift: {shift} moves images of {' x '.join(map(str, shape))} pixels out of "
            f"sight, expected at most {min(shape) - 1}"
        )


def offsets(seed: int, epoch: int, places: I64, shift: int) -> I64:
    """Return how far each image is moved down and to the right: int64 (N, 2), -shift ... shift.

    places: int64 (N,), the images' places in the data. A function of seed, epoch and place.
    """
    words = rng.hash2(
        rng.key(seed, rng.Purpose.SHIFT), np.uint64(epoch), 2 * places[:, None] + np.arange(2)
    )
    return rng.below(words, 2 * shift + 1) - shift


def moved(images: U8, by: I64, most: int) -> U8:
    """Return uint8 images (N, H, W) or (N, H, W, C), each moved `by` (N, 2) pixels, at most `most`.

    What comes in at a side repeats the pixels at that edge.
    """
    rows, columns = images.shape[1:3]
    around = ((0, 0), (most, most), (most, most), *((0, 0) for _ in images.shape[3:]))
    padded = np.pad(images, around, mode="edge")
    y, x = (most - by).T
    return padded[
        np.arange(len(images))[:, None, None],
        (y[:, None] + np.arange(rows))[:, :, None],
        (x[:, None] + np.arange(columns))[:, None, :],
    ]
