"""The one walk over a pipeline's shapes: which output has which name and shape.

Building, checks, and estimates of memory all ask it. A shape is None where the configuration
alone does not tell it; once the data are open all shapes are known.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from htmrun.components import registry
from htmrun.components.registry import component_of

Shape = tuple[int, ...]
Outputs = dict[str, Shape | None]


@dataclass(frozen=True)
class Window:
    """A limit on windows: `period` samples of the part called `path`.

    each: how many of its own samples one sample of the pipeline is (patches of an image).
    """

    path: str
    period: int
    each: int = 1

    def problem(self, samples: int) -> str | None:
        """Say what is wrong with windows of `samples`, or None."""
        if samples * self.each <= self.period:
            return None
        if self.each == 1:
            return (
                f"{samples} is above {self.path}.duty_period = {self.period}, expected at most that"
            )
        return (
            f"{samples} is too many for {self.path}.duty_period = {self.period} "
            f"({samples * self.each} patches in a window of {samples}), expected at most "
            f"{self.period // self.each}"
        )


@dataclass(frozen=True)
class LeastWindow(Window):
    """A limit from below: the part at `path` needs windows of `period` samples, as `why` says."""

    why: str = ""

    def problem(self, samples: int) -> str | None:
        """Say what is wrong where no window is longer than `samples`, or None."""
        if samples >= self.period:
            return None
        return f"{samples} is too few for {self.path} ({self.why}), expected at least {self.period}"


@dataclass(frozen=True)
class StageLayout:
    """A stage in its place: the shape that it reads, and those of what it puts out, by name."""

    name: str
    parameters: Any
    before: Shape | None
    outputs: Outputs


@dataclass(frozen=True)
class Layout:
    """What stands before the readout: the encoder's output and the stages.

    first: the encoder's name; without an encoder the field of the data. bits: false without one.
    left_out: stages and layers that an arm bypasses.
    """

    first: str
    shape: Shape | None
    bits: bool = True
    stages: tuple[StageLayout, ...] = ()
    left_out: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def outputs(self) -> Outputs:
        """Everything that can be read, in order."""
        found: Outputs = {self.first: self.shape}
        for stage in self.stages:
            found |= stage.outputs
        return found

    @property
    def last(self) -> str:
        """The main output of the last stage."""
        return next(iter(self.stages[-1].outputs)) if self.stages else self.first

    def read(self, wanted: Iterable[str] | None) -> tuple[str, ...]:
        """Return which of the `wanted` outputs there are; the last stage's if there are none."""
        return tuple(name for name in wanted or () if name in self.outputs) or (self.last,)

    def size(self, names: Iterable[str]) -> int:
        """Return how many bits outputs have together; all shapes must be known."""
        shapes = [self.outputs[name] for name in names]
        return sum(math.prod(shape) for shape in shapes if shape is not None)


def layout(
    pipeline: Sequence[str], sections: Mapping[str, Any], shape: Shape | None,
    left_out: Collection[str] = (),
) -> Layout:  # fmt: skip
    """Return what stands before the readout; of a pipeline without one, all of it.

    sections: parameters of each stage. shape: of the encoder's bits, or where there is none of
    the field that the readout reads. left_out: what an arm bypasses.
    """
    *front, last = pipeline
    if registry.of(sections[last]).family != "readout":
        front = [*pipeline]
    if not front:
        return Layout(component_of(sections[last]).field, shape, False, (), frozenset(left_out))
    first, *names = front
    found: list[StageLayout] = []
    now = shape
    for name in names:
        if name not in left_out:
            outputs = component_of(sections[name]).outputs(name, sections[name], now)
            found.append(StageLayout(name, sections[name], now, outputs))
            now = outputs[name]
    return Layout(first, shape, True, tuple(found), frozenset(left_out))
