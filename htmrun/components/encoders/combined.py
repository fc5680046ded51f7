"""Several encoders side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from htmrun.backends.bits import Bits
from htmrun.backends.parameters import Parameters
from htmrun.components import registry
from htmrun.components.encoders import Data, Encoder, PartParameters, no_field
from htmrun.components.encoders.buckets import Beside, BucketEncoder
from htmrun.errors import UserError


class FieldsEncoderParameters(Parameters):
    """Several encoders side by side, in the order in which they are listed."""

    kind: Literal["fields"] = "fields"
    fields: dict[str, Annotated[PartParameters, registry.Section(("encoder",), PartParameters)]] = (
        Field(min_length=1, description="One encoder per entry, named after its field.")
    )


@registry.register("encoder", FieldsEncoderParameters)
class CombinedEncoder(Encoder):
    """The bits of all `parts` one after the other; `left_out` names entries without a field."""

    further = "fields.{}"

    def __init__(self, parts: Sequence[Encoder], left_out: tuple[str, ...]) -> None:
        self.parts = tuple(parts)
        self.left_out = left_out
        self.fields = tuple(dict.fromkeys(name for part in parts for name in part.fields))
        self.learned = {n: r for part in parts for n, r in part.learned.items()}
        self.size = sum(part.size for part in parts)
        self.shape = (self.size,)
        known = [part for part in self.parts if isinstance(part, BucketEncoder)]
        self._beside = Beside(known) if len(known) == len(self.parts) else None

    @classmethod
    def reads(cls, parameters: FieldsEncoderParameters) -> Iterator[tuple[str, str, bool]]:
        """Yield the field of each entry."""
        for name, entry in parameters.fields.items():
            for field in registry.component_of(entry).fields_of(entry, name):
                yield f"fields.{name}", field, entry.optional

    @classmethod
    def kinds_by_field(
        cls, parameters: FieldsEncoderParameters
    ) -> Iterator[tuple[str, str, PartParameters]]:
        """Yield those of each entry."""
        for name, entry in parameters.fields.items():
            for field in registry.component_of(entry).fields_of(entry, name):
                yield f"fields.{name}.kind", field, entry

    @classmethod
    def build(
        cls, parameters: FieldsEncoderParameters, data: Data, seed: int, path: str,
        entry: str | None = None,
    ) -> CombinedEncoder:  # fmt: skip
        """Return the encoder of the entries whose fields are there; UserError if none is."""
        parts, left_out = [], []
        for name, p in parameters.fields.items():
            kind: type[Encoder] = registry.component_of(p)
            place, absent = (
                f"{path}.fields.{name}",
                [field for field in kind.fields_of(p, name) if field not in data.shapes],
            )
            if not absent:
                parts.append(kind.build(p, data, seed, place, name))
            elif p.optional:
                left_out.append(name)
            else:
                raise no_field(place, absent[0], data.shapes)
        if not parts:
            raise UserError(
                f"{path}.fields: none of {', '.join(parameters.fields)} is in the data, expected "
                f"some of {', '.join(data.shapes)}"
            )
        return cls(parts, tuple(left_out))

    def notes(self) -> Iterator[str]:
        """Yield what the parts say, and which entries have no field."""
        for name in self.left_out:
            yield f"encoder.fields.{name}: left out, the data have no such field"
        for part in self.parts:
            yield from part.notes()

    def encode(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Encode each part's field."""
        if self._beside is not None and (found := self._beside.one(fields)) is not None:
            return found
        return Bits.beside([part.encode(fields) for part in self.parts])
