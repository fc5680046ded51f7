"""Small pictures of what an agent sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from htmrun._imports import PIL
from htmrun.components.environments import Frames

SIZE = (120, 80)
"""Width and height of a frame, in pixels."""
INK, SIGNAL, GREY, PAPER = (0, 0, 0), (213, 94, 0), (200, 200, 200), (255, 255, 255)

Shape = tuple[str, Sequence[float], tuple[int, int, int]]


def draw(shapes: Sequence[Shape]) -> Frames:
    """Return a frame with rectangles, ellipses and lines, given as (kind, places, colour).

    Places are pixels: left, top, right, bottom; of a line its two ends.
    """
    picture = PIL.Image.new("RGB", SIZE, PAPER)
    pen = PIL.ImageDraw.Draw(picture)
    for kind, places, colour in shapes:
        if kind == "line":
            pen.line([*places], fill=colour, width=3)
        else:
            getattr(pen, kind)([*places], fill=colour)
    return np.asarray(picture).copy()


def cells(columns: int, rows: int) -> list[list[tuple[float, float, float, float]]]:
    """Return the places of a grid's cells that fill a frame, [row][column]."""
    side = min((SIZE[0] - 4) / columns, (SIZE[1] - 4) / rows)
    left, top = (SIZE[0] - side * columns) / 2, (SIZE[1] - side * rows) / 2
    return [
        [
            (left + x * side, top + y * side, left + (x + 1) * side - 2, top + (y + 1) * side - 2)
            for x in range(columns)
        ]
        for y in range(rows)
    ]
