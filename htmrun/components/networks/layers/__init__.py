"""Layers of networks: one file per kind, parameters beside what is known of it without torch.

What a layer computes stands in a module that needs torch, imported when the layer is built.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, ClassVar

from pydantic import Field

from htmrun.backends import Backend
from htmrun.components.layout import Shape
from htmrun.errors import UserError

Size = Annotated[int, Field(ge=1, le=1 << 20)]


@dataclass(frozen=True)
class Place:
    """Where a layer is built: random words come from seed and number, its own in the network.

    feedback: errors go back through fixed weights. learns: false where it is frozen. gain: weights
    start with a variance of gain squared over a unit's inputs.
    """

    seed: int
    number: int
    backend: Backend
    feedback: bool = False
    learns: bool = True
    gain: float = 1.0


class Layer(ABC):
    """What is known of a kind of layer from its parameters and the shape of its input.

    Shapes are (channels, height, width) or (units,).
    """

    torch: ClassVar[str]
    """The module whose `build(parameters, shape, place)` returns a `torch.nn.Module`."""
    ends_block: ClassVar[bool] = False
    """Whether local losses and direct feedback reach in behind it."""

    @classmethod
    def after(cls, parameters: Any, shape: Shape, path: str) -> Shape:
        """Return the shape of its output; UserError, with `path` first, where it does not fit."""
        return shape

    @classmethod
    def costs(cls, parameters: Any, shape: Shape, out: Shape) -> tuple[int, int, int]:
        """Return bytes of weights; multiply-adds of all weights, and of those that exist."""
        return 0, 0, 0

    @classmethod
    def period(cls, parameters: Any, out: Shape) -> tuple[int, int] | None:
        """Return the period of duty cycles in samples of its own, and how many of these one is."""
        return None

    @classmethod
    def least_window(cls, parameters: Any, out: Shape) -> tuple[int, str] | None:
        """Return the samples that some window must hold for it to do anything, and why."""
        return None

    @classmethod
    def build(cls, parameters: Any, shape: Shape, place: Place) -> Any:
        """Return the torch module over inputs of `shape`.

        Beside `forward` it may have `steady`, false where a pass while learning gives other values
        than inference, and `prepare(first, commit, boost)`, called before such a pass.
        """
        return import_module(cls.torch).build(parameters, shape, place)


def sides(
    window: int, step: int, padding: int, shape: Shape, path: str, field: str
) -> tuple[int, ...]:
    """Return height and width after windows over an image; UserError where there are none."""
    if len(shape) != 3:
        raise UserError(
            f"{path}.kind: the input is a vector of {shape[0]} values, expected an image "
            "(channels x height x width)"
        )
    if min(shape[1:]) + 2 * padding < window:
        raise UserError(
            f"{path}.{field}: {window} is larger than the input of {shape[1]} x {shape[2]}, "
            f"expected at most {min(shape[1:]) + 2 * padding}"
        )
    return tuple((side + 2 * padding - window) // step + 1 for side in shape[1:])


def weighted_costs(units: int, places: int, fan: int, density: float) -> tuple[int, int, int]:
    """Return the costs of so many units, each with weights to `density` of `fan` inputs."""
    kept = max(1, int(density * fan + 0.5))
    return 4 * units * (fan + 1), units * places * fan, units * places * kept
