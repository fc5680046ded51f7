"""A series seen from one of the further columns that are forecast: it stands for the value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from htmrun.components.sources import Chunk, Ranges, Shapes, Source


class OneColumn(Source):
    """The same samples, whose `value` and target are those of the field `column`."""

    task = "forecast"
    classes = 0
    class_names: tuple[str, ...] = ()

    def __init__(self, source: Source, column: str) -> None:
        self.source, self.column = source, column
        self.parameters = source.parameters if hasattr(source, "parameters") else None
        self.name: str = source.name

    @property
    def shapes(self) -> Shapes:
        """Those of the source."""
        return self.source.shapes

    @property
    def ranges(self) -> Ranges:
        """Those of the source, the column's for the value."""
        return {**self.source.ranges, "value": self.source.ranges[self.column]}

    @property
    def ranges_grow(self) -> bool:
        """Whether the source's do."""
        return self.source.ranges_grow

    @property
    def samples(self) -> int | None:
        """Samples of the source."""
        return self.source.samples

    @property
    def median_step(self) -> float | None:
        """That of the source."""
        return self.source.median_step

    @property
    def horizon_unit(self) -> Literal["rows", "time"]:
        """That of the source."""
        return self.source.horizon_unit

    @property
    def fingerprint(self) -> str:
        """That of the source."""
        return self.source.fingerprint

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        """Yield the samples of the source."""
        for piece in self.source.train(seed, epoch, chunk):
            yield self.of(piece)

    def of(self, chunk: Chunk) -> Chunk:
        """Return a chunk whose target is the column."""
        fields = {**chunk.fields, "value": chunk.fields[self.column]}
        return replace(chunk, fields=fields, target=chunk.others[self.column], others={})
