"""What a pipeline ends with: a readout, or a temporal memory and how surprised it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from htmrun.components import registry
from htmrun.components.classifiers import Readout
from htmrun.components.classifiers.absent import NoReadout
from htmrun.components.layout import Layout, Window
from htmrun.components.registry import component_of


@dataclass(frozen=True)
class Ending:
    """The readout of a pipeline.

    name: its own, empty where there is none; parameters: None where there is none. kind: the class
    that reads. front: the stages before it, encoder first.
    """

    name: str
    parameters: Any
    kind: type[Readout]
    front: tuple[str, ...]

    @property
    def reads(self) -> bool:
        """Whether there is a readout."""
        return self.parameters is not None

    def windows(self, place: Layout, frozen: Collection[str]) -> Iterator[Window]:
        """Yield what limits windows in the stages of `place` and in the readout, if not frozen."""
        for stage in place.stages:
            if stage.name not in frozen:
                yield from component_of(stage.parameters).windows(stage.name, stage.parameters)
        if self.name not in frozen:
            yield from self.kind.windows(self.name, self.parameters, place, frozen)


def ending_of(pipeline: Sequence[str], sections: Mapping[str, Any]) -> Ending:
    """Return what a pipeline ends with; sections: parameters of each stage."""
    *front, last = pipeline
    kind = registry.of(sections[last])
    if kind.family == "readout":
        return Ending(last, sections[last], kind.component, tuple(front))
    return Ending("", None, NoReadout, tuple(pipeline))
