"""One picture file to eight-bit pixels: the same picture gives the same bytes, or is refused.

Pillow says what a file is; here stands what of it is a picture of its own: as it is meant to be
looked at (turned as its EXIF data say), on 256 steps, without anything shining through.
"""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun._imports import PIL
from htmrun.components.files import opened, parsing, too_large
from htmrun.errors import UserError

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".pbm", ".tif", ".tiff", ".webp",
)  # fmt: skip
ALPHA = {"LA": "L", "PA": "RGB", "RGBA": "RGB", "La": "L", "RGBa": "RGB"}
"""Modes with transparency, and what is left without it."""
PLAIN = ("1", "L", "P", "RGB", "YCbCr", "CMYK")
SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N")
SIXTEEN_IN_32 = ("PNG", "PPM")
"""Formats whose pixels of mode I have sixteen bits."""
_FRAMES_BESIDE = ("MPO",)
"""Formats of single pictures that carry further ones, such as a thumbnail, behind the first."""
_PHOTOMETRIC = 262
MOST_PIXELS = 1 << 26
"""Pixels that a picture may have unless that is set otherwise."""
_BYTES_OF_A_PIXEL = 32
"""More than any format takes, what stands beside the pixels included."""


def read_picture(
    path: Path, grey: bool, background: int | None = None, most: int = MOST_PIXELS
) -> tuple[npt.NDArray[np.uint8], int | None]:
    """Return pixels (H, W), or (H, W, 3) where not `grey`; of 16 bits the brightest one, too.

    Sixteen bits are cut to eight. background: the grey value that transparent pixels stand on;
    None: they are refused. most: pixels. Raises UserError, with the path, for what is no single
    picture.
    """
    # From its bytes: Pillow 13 maps a plain TIFF into memory before it turns it, askew.
    with opened(path, "an image", most=_BYTES_OF_A_PIXEL * most) as file:
        content = file.read()
    with parsing(str(path), "an image"), warnings.catch_warnings():
        # Our own limit comes first; what Pillow has to say besides is no line of ours.
        warnings.simplefilter("ignore")
        try:
            with PIL.Image.open(io.BytesIO(content)) as image:
                if math.prod(image.size) > most:
                    raise too_large(path, math.prod(image.size), most, "pixels", "max_pixels")
                return _pixels(path, image, grey, background)
        except PIL.UnidentifiedImageError:
            raise refused(path, "no image that Pillow knows") from None


def refused(path: Path, found: str, expected: str = "an image") -> UserError:
    """Return the error that names a file that is not read."""
    return UserError(f"{path}: {found}, expected {expected}")


def _pixels(
    path: Path, image: Any, grey: bool, background: int | None
) -> tuple[npt.NDArray[np.uint8], int | None]:
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in _FRAMES_BESIDE:
        raise refused(path, f"{frames} pictures in one file", "one")
    deep_format = image.format in SIXTEEN_IN_32
    white_is_zero = image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == 0
    image = PIL.ImageOps.exif_transpose(image)
    if image.mode in SIXTEEN or (image.mode == "I" and deep_format):
        if white_is_zero:
            raise refused(path, "16 bits of which 0 is white", "0 to be black")
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 0xFFFF:
            raise refused(path, "pixels of more than 16 bits", "8 or 16")
        pixels = (deep.astype(np.int64) >> 8).astype(np.uint8)
        return pixels if grey else np.repeat(pixels[..., None], 3, 2), int(deep.max())
    if image.mode in ALPHA or "transparency" in image.info:
        image = _opaque(path, image, background)
    if image.mode not in PLAIN:
        raise refused(path, f"pixels of Pillow's mode {image.mode}", "8 or 16 bits, not fractions")
    if image.mode == "CMYK" and image.info.get("icc_profile"):
        raise refused(path, "CMYK with a colour profile", "RGB or grey")
    image = image.convert("RGB") if image.mode in ("P", "CMYK", "YCbCr") else image
    return np.asarray(image.convert("L" if grey else "RGB")), None


def _opaque(path: Path, image: Any, background: int | None) -> Any:
    """Return the picture without transparency; what shines through is `background`."""
    layered = image.convert("RGBA")
    if layered.getextrema()[3][0] < 255:
        if background is None:
            raise refused(path, "transparent pixels", "an opaque image, or data.background")
        behind = PIL.Image.new("RGBA", layered.size, (background,) * 3 + (255,))
        layered = PIL.Image.alpha_composite(behind, layered)
    return layered.convert("RGB")
