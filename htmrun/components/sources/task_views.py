"""What tasks make of images: turned by an angle, or with their pixels in another order.

All of it is integer arithmetic, so that every machine sees the same images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmrun.backends import rng
from htmrun.backends.parameters import round_half_up

Images = npt.NDArray[np.uint8]
_ANGLE = 16
"""Bits behind the point of a sine or cosine."""
_PLACE = 10
"""Bits behind the point of a place between pixels."""


@dataclass(frozen=True)
class View:
    """An image seen as a task shows it: pixel p is the sum of weights[k, p] * image[pixels[k, p]].

    pixels: int64 (K, H * W), numbers of pixels row by row; weights: int32 (K, H * W), whose
    unit is 1 << 2 * 10; both None: as it is.
    """

    pixels: npt.NDArray[np.int64] | None = None
    weights: npt.NDArray[np.int32] | None = None

    def of(self, images: Images) -> Images:
        """Return uint8 images (N, H, W) or (N, H, W, C), colours alike, as the task shows them."""
        if self.pixels is None:
            return images
        flat = images.reshape(len(images), self.pixels.shape[1], math.prod(images.shape[3:]))
        if self.weights is None:
            return flat[:, self.pixels[0]].reshape(images.shape)
        found = np.full(flat.shape, 1 << 2 * _PLACE - 1, np.int32)  # Half, to round half up.
        for pixels, weights in zip(self.pixels, self.weights, strict=True):
            found += flat[:, pixels] * weights[:, None]
        return (found >> 2 * _PLACE).astype(np.uint8).reshape(images.shape)


def permuted(shape: Sequence[int], seed: int, task: int) -> View:
    """Return the view of images (H, W, ...) that a random permutation gives; task 0: as it is."""
    if task == 0:
        return View()
    order = rng.permutation(seed, rng.Purpose.TASK, task, math.prod(shape[:2]))
    return View(order[None])


def rotated(shape: Sequence[int], degrees: float) -> View:
    """Return the view of images (H, W, ...) turned counter-clockwise around their middle.

    Between pixels it is bilinear; what lies outside is 0.
    """
    height, width = shape[:2]
    angle = math.radians(math.fmod(degrees, 360.0))
    if angle == 0.0:
        return View()
    cos, sin = (_fixed(f(angle)) for f in (math.cos, math.sin))
    # Twice the distance from the middle, which keeps the middle between two pixels whole.
    down = 2 * np.arange(height, dtype=np.int64)[:, None] - (height - 1)
    right = 2 * np.arange(width, dtype=np.int64)[None, :] - (width - 1)
    y = cos * down + sin * right + ((height - 1) << _ANGLE)
    x = cos * right - sin * down + ((width - 1) << _ANGLE)
    shift = _ANGLE + 1 - _PLACE
    (y, y_rest), (x, x_rest) = (_parts(place >> shift) for place in (y, x))
    one = 1 << _PLACE
    pixels, weights = [], []
    for below, y_weight in ((0, one - y_rest), (1, y_rest)):
        for beside, x_weight in ((0, one - x_rest), (1, x_rest)):
            row, column = y + below, x + beside
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            pixels.append(np.where(inside, row * width + column, 0).ravel())
            weights.append(np.where(inside, y_weight * x_weight, 0).ravel())
    return View(np.stack(pixels), np.stack(weights).astype(np.int32))


def _fixed(value: float) -> int:
    """Return a number between -1 and 1 as an integer with 16 bits behind the point."""
    scaled = round_half_up(abs(value) * (1 << _ANGLE))
    return scaled if value >= 0 else -scaled


def _parts(place: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the pixel before a place, and how far behind it the place lies."""
    return place >> _PLACE, place & ((1 << _PLACE) - 1)
