"""Images: bright pixels are on-bits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from htmrun.backends.bits import Bits
from htmrun.components.encoders.parameters import ImageEncoderParameters
from htmrun.components.registry import register


@register("encoder", ImageEncoderParameters)
class ImageEncoder:
    """Bit (y, x) is on where the pixel is above the threshold; with levels, (level, y, x)."""

    left_out: tuple[str, ...] = ()

    def __init__(self, p: ImageEncoderParameters, field: str, shape: tuple[int, ...]) -> None:
        self.fields: tuple[str, ...] = (field,)
        self.thresholds = p.levels or (p.threshold,)
        self.shape = shape if len(self.thresholds) == 1 else (len(self.thresholds), *shape)
        self.size = int(np.prod(self.shape))

    def encode(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Encode uint8 images (T, H, W)."""
        images = fields[self.fields[0]]
        planes = np.stack([images > t for t in self.thresholds], 1)
        return Bits.from_dense(planes.reshape(len(images), self.size))
