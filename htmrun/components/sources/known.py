"""What a model knows of the data that it was made for, where the data themselves are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from htmrun.components.sources import Chunk, Source

FACTS = (
    "task", "name", "shapes", "ranges", "classes", "class_names", "samples", "ranges_grow",
    "median_step", "horizon_unit", "white", "fingerprint",
)  # fmt: skip


def facts_of(source: Source) -> dict[str, Any]:
    """Return all that a pipeline is built from; plain values."""
    facts = {name: getattr(source, name) for name in FACTS}
    shapes = {name: list(shape) for name, shape in source.shapes.items()}
    ranges = {name: list(ends) for name, ends in source.ranges.items()}
    lists = {"class_names": list(source.class_names), "predicted": list(source.predicted)}
    return facts | {"shapes": shapes, "ranges": ranges} | lists


class Known(Source):
    """A source without samples, from `facts_of` another."""

    # Plain attributes in place of what other sources work out.
    ranges_grow = False
    median_step = None
    horizon_unit = "rows"
    fingerprint = ""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        pairs = {
            "shapes": {name: tuple(shape) for name, shape in facts["shapes"].items()},
            "ranges": {name: tuple(ends) for name, ends in facts["ranges"].items()},
        }
        vars(self).update({name: facts[name] for name in FACTS} | pairs)
        # Models of earlier versions have none.
        self.predicted = tuple(facts.get("predicted", ()))

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        """There is nothing."""
        yield from ()
