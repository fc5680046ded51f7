"""Several encoders side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from htmrun.backends.bits import Bits
from htmrun.components.encoders import Encoder
from htmrun.components.encoders.parameters import FieldsEncoderParameters
from htmrun.components.registry import register


@register("encoder", FieldsEncoderParameters)
class CombinedEncoder:
    """The bits of all `parts` one after the other; `left_out` names entries without a field."""

    def __init__(self, parts: Sequence[Encoder], left_out: tuple[str, ...]) -> None:
        self.parts = tuple(parts)
        self.left_out = left_out
        self.fields = tuple(dict.fromkeys(name for part in parts for name in part.fields))
        self.size = sum(part.size for part in parts)
        self.shape: tuple[int, ...] = (self.size,)

    def encode(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Encode each part's field."""
        return Bits.beside([part.encode(fields) for part in self.parts])
