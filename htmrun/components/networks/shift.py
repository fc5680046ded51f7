"""How far a network's units move while it learns: firing rates, and the values that units read.

Ioffe, Szegedy 2015 call it internal covariate shift that the distribution of a layer's inputs
changes because parameters before it do. On samples that stay the same nothing else can change it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from htmrun._imports import torch

if TYPE_CHECKING:
    from torch import Tensor

    from htmrun.components.networks.network import Network

Double = npt.NDArray[np.float64]
Moments = dict[str, Double]
"""`rate` (units,): share of samples, of a map also of places, in which a unit is not 0. `mean` and
`variance` (units,): of each value that the layer reads; not there of the first layer."""


def moments(network: Network, images: npt.NDArray[np.uint8]) -> dict[str, Moments]:
    """Return the moments of each block's units over `images`, by block; writes nothing.

    images: what the network is given, (T, *shape). A map's channel is one unit.
    """
    found: dict[str, Moments] = {}
    read: Tensor | None = None
    for name, values in network.outputs(images).items():
        if name in network.chain.blocks:
            found[name] = {"rate": _by_unit(values != 0).mean(1)}
            if read is not None:
                seen = _by_unit(read)
                found[name] |= {"mean": seen.mean(1), "variance": seen.var(1)}
        read = values
    return found


def rate_shift(before: Moments, after: Moments) -> float:
    """Return the mean absolute change of the units' firing rates, 0 to 1."""
    return float(np.abs(after["rate"] - before["rate"]).mean())


def value_shift(before: Moments, after: Moments) -> float | None:
    """Return how far the means of what the units read moved, mean over units, 0 to 2.

    In standard deviations of a unit's values of both times together; 0 of a unit with one value
    throughout. None for the first layer, whose inputs stay.
    """
    if "mean" not in before:
        return None
    moved = np.abs(after["mean"] - before["mean"])
    spread = np.sqrt((before["variance"] + after["variance"]) / 2 + moved**2 / 4)
    return float(np.divide(moved, spread, out=np.zeros_like(moved), where=spread > 0).mean())


def _by_unit(values: Tensor) -> Double:
    """Return (units, samples) or (units, samples * places) in float64."""
    turned = values.to(torch.float64).transpose(0, 1).flatten(1)
    return np.asarray(turned.cpu().numpy(), np.float64)
