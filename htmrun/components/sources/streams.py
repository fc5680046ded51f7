"""Streams of symbols that are generated: what the sources of such have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from htmrun.components.sources import Shapes, Source, SourceParameters

Steps = Annotated[int, Field(ge=1, le=1 << 32)]
DriftAt = Annotated[int | None, Field(ge=1)]


class StreamParameters(SourceParameters):
    """What a user can set on every generated stream."""

    held_out: Literal["test", "validation"] = Field(
        "test", description="validation: another stream than the one that results are made on."
    )


class StreamSource(Source):
    """A stream of `steps` symbols; one of its own for each epoch, seed, and for validation."""

    task = "sequence"
    fields = ("symbol",)
    name: str
    shapes: Shapes
    samples: int

    def __init__(self, parameters: Any, base: Path) -> None:
        super().__init__(parameters, base)
        self.shapes = {"symbol": ()}
        self.samples = parameters.steps

    def stream_number(self, epoch: int) -> int:
        """Return the number of the stream of `epoch`; validation has streams of its own."""
        return epoch if self.parameters.held_out == "test" else epoch + (1 << 32)
