"""An encoder: a position in the plane, near ones sharing bits.

Source: Purdy 2016, "Encoding Data for HTM Systems", section "Coordinate encoder".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import Field

from htmrun.backends import rng
from htmrun.backends.bits import Bits
from htmrun.components.encoders import Encoder, EncoderParameters, Input, Size
from htmrun.components.registry import register
from htmrun.errors import UserError


class PositionParameters(EncoderParameters):
    """The cells around a position compete; those with the smallest words have a bit each."""

    kind: Literal["position"] = "position"
    size: Size = Field(1000, description="Number of bits.")
    active: Size = Field(21, description="Cells that win; a few may share a bit.")
    cell: float = Field(0.5, gt=0.0, description="Side of a cell, in units of the position.")
    radius: int = Field(3, ge=1, le=100, description="Cells on each side of the position's own.")


@register("encoder", PositionParameters)
class PositionEncoder(Encoder):
    """Cell (x, y) has a word that says how well it competes, and another that says which bit."""

    usual = "position"
    grids = True

    def __init__(self, parameters: PositionParameters, field: Input, seed: int) -> None:
        super().__init__(parameters, field, seed)
        if field.shape != (2,):
            raise UserError(
                f"{field.path}.field: '{field.name}' has shape {list(field.shape)}, expected [2]"
            )
        self.parameters, self.key = parameters, rng.key(seed, rng.Purpose.ENCODER)
        self.size, self.shape = parameters.size, (parameters.size,)
        reach = np.arange(-parameters.radius, parameters.radius + 1)
        self.around = np.stack(np.meshgrid(reach, reach), -1).reshape(-1, 2)

    def encode(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Encode positions (T, 2); one that is NaN has no bits."""
        cells = np.floor(fields[self.fields[0]] / self.parameters.cell)
        if np.isinf(cells).any():
            raise UserError(f"{self.path}.field: found an infinite position, expected a finite one")
        rows = [[] if np.isnan(cell).any() else self._bits(cell) for cell in cells]
        return Bits.from_rows(self.size, rows)

    def _bits(self, cell: np.ndarray) -> np.ndarray:
        x, y = (cell.astype(np.int64) + self.around).T.astype(np.uint64)
        words = rng.hash2(self.key, x, y)
        won = words[np.argsort(words, kind="stable")[: self.parameters.active]]
        bit = (rng.mix(won) >> np.uint64(32)) * np.uint64(self.size) >> np.uint64(32)
        return np.unique(bit).astype(np.int32)
