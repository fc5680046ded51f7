"""Bits of a place: hashes of some of the cells around it, so that near places share bits.

Source: Purdy 2016, "Encoding Data for HTM Systems", which draws, of the cells around a place, those
with the best of a random order that all places have in common. What two neighbourhoods share is
therefore drawn in both.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from importlib import import_module

import numpy as np
import numpy.typing as npt

from htmrun.backends import rng
from htmrun.backends.bits import Bits
from htmrun.components.encoders import Data, no_field
from htmrun.components.encoders.blocks import Places, distinct, offsets
from htmrun.components.encoders.numbers import finite_numbers, one_number
from htmrun.errors import UserError

MOST_CELLS = 1 << 18
"""Cells around a place at most: each is hashed for each sample."""
FARTHEST = float(1 << 53)
CELLS_AT_ONCE = 1 << 20
_BIT = np.uint64(1)


class Neighbours:
    """Draws bits of cells (whole numbers, one for each dimension)."""

    def __init__(self, fields: Sequence[str], size: int, active: int, seed: int) -> None:
        self.size, self.active = size, active
        stream = hashlib.sha256("/".join(fields).encode()).digest()[:8]
        key = rng.key(seed, rng.Purpose.ENCODER)
        self._key = rng.mix([key ^ np.uint64(int.from_bytes(stream, "little"))])

    def one(self, place: tuple[int, ...]) -> Bits:
        """Return what `bits` does of a cell and, behind it, its radius; without them of none."""
        if not place:
            return Bits(self.size, np.zeros(0, np.int32), np.zeros(2, np.int64))
        *cell, radius = place
        indices = _compiled()(
            np.array(cell, np.int64), _around(radius, len(cell)), self._key, self.active, self.size
        )
        return Bits(self.size, indices, np.array([0, len(indices)], np.int64))

    def bits(self, cells: Places, radius: Places, known: npt.NDArray[np.bool_]) -> Bits:
        """Return the bits of cells (T, dimensions) with their radii (T,); none where not known."""
        rows = np.zeros((len(cells), self.active), np.int32)
        counts = np.zeros(len(cells), np.int64)
        for r in set(radius[known].tolist()):
            around = _around(r, cells.shape[1])
            here = np.flatnonzero(known & (radius == r))
            step = max(1, CELLS_AT_ONCE // len(around))
            for at in range(0, len(here), step):
                some = here[at : at + step]
                rows[some], counts[some] = self._drawn(cells[some], around)
        filled = np.arange(self.active) < counts[:, None]
        return Bits(self.size, rows[filled], offsets(counts))

    def _drawn(
        self, cells: Places, around: Places
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Return the ascending distinct bits of each cell, left-aligned, and their number."""
        near = cells[:, None, :] + around
        words = np.broadcast_to(self._key[0], near.shape[:2])
        for axis in range(near.shape[2]):
            words = rng.mix(words ^ near[:, :, axis].astype(np.uint64))
        # Equal words go to the cell that comes first.
        best = np.argsort(words, axis=1, kind="stable")[:, : self.active]
        chosen = np.take_along_axis(words, best, axis=1)
        bits = rng.below(rng.mix(chosen ^ _BIT), self.size)
        return distinct(bits.astype(np.int32), self.size)


@cache
def _compiled() -> Callable[..., npt.NDArray[np.int32]]:
    """Return what draws the bits of one cell, looked up once: numba comes late."""
    found: Callable[..., npt.NDArray[np.int32]] = import_module("htmrun.backends.cpu").drawn
    return found


@lru_cache(maxsize=16)
def _around(radius: int, dimensions: int) -> Places:
    """Return the way to each cell within a radius, (cells, dimensions)."""
    grid = np.indices((2 * radius + 1,) * dimensions, np.int64) - radius
    around = np.ascontiguousarray(grid.reshape(dimensions, -1).T)
    around.flags.writeable = False
    return around


def cells_around(radius: int, dimensions: int) -> int:
    """Return how many cells lie within a radius, the one in the middle included."""
    return int((2 * radius + 1) ** dimensions)


def must_have_cells(path: str, radius: int, dimensions: int, active: int) -> None:
    """Raise UserError where a radius makes fewer cells than bits are to be on, or far too many."""
    cells = cells_around(radius, dimensions)
    if cells < active:
        raise UserError(
            f"{path}.radius: found {radius}, which makes {cells} cells in {dimensions} dimensions "
            f"for {active} bits, expected more"
        )
    if cells > MOST_CELLS:
        raise UserError(
            f"{path}.radius: found {radius}, which makes {cells:,} cells in {dimensions} "
            f"dimensions, expected at most {MOST_CELLS:,}"
        )


def single_values(path: str, fields: Sequence[str], data: Data) -> None:
    """Raise UserError where a field is not there, is named twice, or holds more than values."""
    for name in fields:
        if name not in data.shapes:
            raise no_field(path, name, data.shapes)
        if data.shapes[name]:
            raise UserError(f"{path}: field '{name}' holds grids, expected single values")
        if list(fields).count(name) > 1:
            raise UserError(f"{path}: found the field '{name}' twice, expected different fields")


def columns(
    fields: Mapping[str, np.ndarray], names: Sequence[str], path: str
) -> npt.NDArray[np.float64]:
    """Return fields beside each other, float64 (T, fields), NaN where a value is missing."""
    return np.stack([finite_numbers(fields, name, path) for name in names], axis=1)


def cells_of(
    places: npt.NDArray[np.float64], scale: float, path: str
) -> tuple[Places, npt.NDArray[np.bool_]]:
    """Return the cell of each place (T, dimensions), and which are known (T,).

    Raises UserError for what is too far away to be counted in cells.
    """
    known = np.logical_not(np.isnan(places).any(axis=1))
    cells = np.floor(np.where(known[:, None], places, 0.0) / scale)
    far: npt.NDArray[np.bool_] = np.abs(cells).max(axis=1, initial=0.0) > FARTHEST
    if far.any():
        raise UserError(
            f"{path}.scale: found {scale:g}, of which the place {_text(places[far.argmax()])} is "
            "more than 2^53 away, expected a larger one"
        )
    return cells.astype(np.int64), known


def one_place(fields: Mapping[str, np.ndarray], names: Sequence[str]) -> list[float] | None:
    """Return the values of one sample, NaN where one is missing; None: look closer."""
    found = [one_number(fields[name]) for name in names]
    known = [value for value in found if value is not None]
    return known if len(known) == len(found) else None


def one_cell(place: Sequence[float], scale: float) -> tuple[int, ...] | None:
    """Return what `cells_of` does of one place that is known; None: too far away."""
    cells = [value / scale for value in place]
    if not all(-FARTHEST < cell < FARTHEST for cell in cells):
        return None
    return tuple([math.floor(cell) for cell in cells])


def _text(place: npt.NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in place) + ")"
