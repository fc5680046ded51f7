"""Encoders: fields of a chunk of samples -> sparse binary vectors.

An encoder is a pure function of its parameters, the seed and the value: it keeps nothing
from one sample to the next.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field

from htmrun.backends.bits import Bits
from htmrun.backends.parameters import Parameters
from htmrun.components import registry
from htmrun.errors import UserError, one_of

Ranges = Mapping[str, tuple[float, float]]
Shapes = Mapping[str, tuple[int, ...]]
Size = Annotated[int, Field(ge=1, le=1 << 24)]


class PartParameters(Parameters):
    """Parameters of an encoder that may stand beside others, with a setting `optional`."""

    if TYPE_CHECKING:  # Declared where it stands among the others.
        optional: bool


class EncoderParameters(PartParameters):
    """What a user can set on every encoder of one field."""

    field: str | None = Field(
        None,
        description="Field of the data that is read; null: the entry's name inside `fields`, else "
        "image, value, timestamp or symbol.",
    )
    optional: bool = Field(
        False, description="Inside `fields`: left out if the data has no such field."
    )


@dataclass(frozen=True)
class Data:
    """What encoders are told of the data: shape of one sample by field, () for single values.

    ranges: lowest and highest value by field; looked up only where a parameter is left to them.
    """

    shapes: Shapes
    ranges: Ranges


@dataclass(frozen=True)
class Input:
    """The field that an encoder reads, and `path`, where its parameters stand."""

    name: str
    path: str
    data: Data

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.data.shapes[self.name]

    def range(self, option: str) -> tuple[float, float]:
        """Return lowest and highest value, for a parameter that is null; UserError if unknown."""
        if self.name not in self.data.ranges:
            raise UserError(
                f"{self.path}.{option}: found null, but field '{self.name}' has no range of its "
                "own; expected a number"
            )
        return self.data.ranges[self.name]


class Encoder(ABC):
    """Encodes one field of the samples.

    size: number of bits. shape: the same as a grid, (H, W) for images, (size,) otherwise.
    fields: the fields that `encode` reads. left_out: optional entries without a field.
    path: where the parameters stand, for errors.
    """

    usual: ClassVar[str] = "value"
    """The field that is read where the parameters name none."""
    grids: ClassVar[bool] = False
    """Whether it reads grids such as images, or single values."""
    nominal: ClassVar[bool] = False
    """Whether numbers are names to it, of which none is near another."""
    further: ClassVar[str] = "field={}"
    """What is set below the encoder's section to have one more field read."""

    size: int
    shape: tuple[int, ...]
    left_out: tuple[str, ...] = ()
    learned: Mapping[str, tuple[float, float]] = {}
    """Ranges by field that were left to the data."""

    def __init__(self, parameters: Any, field: Input, seed: int) -> None:
        """Subclasses set size and shape. UserError, with a dotted path, for what cannot be."""
        self.fields: tuple[str, ...] = (field.name,)
        self.path = field.path

    @abstractmethod
    def encode(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Return the encodings of arrays by field, first axis T; NaN and NaT have no on-bits.

        Raises UserError for values that cannot be encoded.
        """

    def notes(self) -> Iterator[str]:
        """Yield one line for each thing that works, but not as most people would expect."""
        yield from ()

    @classmethod
    def reads(cls, parameters: Any) -> Iterator[tuple[str, str, bool]]:
        """Yield what is read: setting that says so, field, and whether it may be absent."""
        for field in cls.fields_of(parameters):
            yield "kind", field, False

    @classmethod
    def fields_of(cls, parameters: Any, entry: str | None = None) -> tuple[str, ...]:
        """Return the fields that it reads; `entry`: the one unless the parameters name one."""
        return (parameters.field or entry or cls.usual,)

    @classmethod
    def kinds_by_field(cls, parameters: Any) -> Iterator[tuple[str, str, Any]]:
        """Yield the setting, each field and the parameters of the encoder that reads it."""
        for field in cls.fields_of(parameters):
            yield "kind", field, parameters

    @classmethod
    def shape_of(cls, parameters: Any, shapes: Shapes) -> tuple[int, ...] | None:
        """Return the shape of its bits, where parameters and known `shapes` tell; None elsewhere.

        `size` where they have one.
        """
        size = getattr(parameters, "size", None)
        return None if size is None else (size,)

    @classmethod
    def build(
        cls, parameters: Any, data: Data, seed: int, path: str, entry: str | None = None
    ) -> Self:
        """Return the encoder for some data; `entry`: the field unless the parameters name one."""
        (field,) = cls.fields_of(parameters, entry)
        if field not in data.shapes:
            raise no_field(path if entry else f"{path}.field", field, data.shapes)
        shape = data.shapes[field]
        if cls.grids != bool(shape):
            others = [
                name
                for name, kind in registry.kinds("encoder").items()
                if issubclass(kind.parameters, EncoderParameters)
                and kind.component.grids == bool(shape)
            ]
            found = f"has shape {' x '.join(map(str, shape))}" if shape else "holds single values"
            raise UserError(
                f"{path}.kind: '{registry.of(parameters).name}' reads "
                f"{'grids' if cls.grids else 'single values'}, field '{field}' {found}; expected "
                f"{' or '.join(others)}"
            )
        return cls(parameters, Input(field, path, data), seed)


def no_field(path: str, field: str, shapes: Shapes) -> UserError:
    """Return the error that says that the data lacks a field."""
    return UserError(f"{path}: the data has no field '{field}', {one_of(field, shapes)}")


def build_encoder(
    parameters: Parameters,
    shapes: Shapes,
    seed: int,
    ranges: Ranges | None = None,
    path: str = "encoder",
) -> Encoder:
    """Return the encoder that `parameters` describe, for samples with fields of `shapes`.

    `ranges` gives lowest and highest value of scalar fields; it is looked up only where a
    parameter is left to the data. Raises UserError with the dotted path of the parameter.
    """
    kind: type[Encoder] = registry.of(parameters).component
    return kind.build(parameters, Data(shapes, ranges or {}), seed, path)
