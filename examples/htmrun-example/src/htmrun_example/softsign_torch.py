"""What the layer computes; imported when a network with it is built, since torch takes a while."""

from __future__ import annotations

from torch import Tensor, nn

from htmrun.components.layout import Shape
from htmrun.components.networks.layers import Place
from htmrun_example.softsign import SoftsignParameters


class Softsign(nn.Module):
    """x / (width + |x|)."""

    def __init__(self, width: float) -> None:
        super().__init__()
        self.width = width

    def forward(self, values: Tensor) -> Tensor:
        """Return values of the same shape, from -1 to 1."""
        return values / (self.width + values.abs())


def build(parameters: SoftsignParameters, shape: Shape, place: Place) -> Softsign:
    """Return the module."""
    return Softsign(parameters.width)
