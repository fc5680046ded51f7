"""What each of several spatial poolers side by side is worth to the answer.

A copy is left out by setting its columns' outputs to 0, as single units are in Morcos et al. 2018;
nothing is learned anew. With v(S) the accuracy with the copies S alone, a copy's worth is
v(all) - v(all but it), and the copies' redundancy 1 - (sum of worths) / (v(all) - v(none)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from htmrun._imports import torch

if TYPE_CHECKING:
    from torch import Tensor

    from htmrun.components.networks.network import Network

PIECE = 256
"""Images that go through at once."""
Double = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Parts:
    """Accuracies with all copies of a layer, with none, without each and with each alone."""

    whole: float
    none: float
    without: Double
    alone: Double

    @property
    def worth(self) -> Double:
        """What is lost without each copy, share correct (copies,)."""
        return self.whole - self.without

    @property
    def redundancy(self) -> float | None:
        """1: each can be left out at no cost; 0: what they give adds up; below: more together.

        None where all of them together give nothing.
        """
        given = self.whole - self.none
        return float(1 - self.worth.sum() / given) if given > 0 else None


def parts(
    network: Network, images: npt.NDArray[np.uint8], targets: npt.NDArray[np.int64]
) -> dict[str, Parts]:
    """Return the accuracies of each layer that has copies, by its name; writes nothing."""
    found = {}
    for name, pooler in network.chain.poolers.items():
        copies = pooler.rules.copies
        if copies > 1:
            kept = np.concatenate(
                [np.ones((1, copies)), np.zeros((1, copies)), 1 - np.eye(copies), np.eye(copies)]
            )
            right = _right(network, name, kept, images, targets) / len(images)
            split = 2 + copies
            found[name] = Parts(
                float(right[0]), float(right[1]), right[2:split], right[split:]
            )  # fmt: skip
    return found


def _right(
    network: Network, name: str, kept: Double, images: np.ndarray, targets: np.ndarray
) -> Double:
    """Return how many images are answered right with each row of `kept`, (rows,)."""
    right = np.zeros(len(kept))
    columns = network.chain.poolers[name].rules.columns
    for start in range(0, len(images), PIECE):
        output = network.outputs(images[start : start + PIECE])[name]
        for row, copies in enumerate(kept):
            shown = torch.from_numpy(np.repeat(copies, columns)).to(output.device, output.dtype)
            shown = shown.view(1, -1, *[1] * (output.dim() - 2))
            guess = _after(network, name, output * shown).argmax(1).cpu().numpy()
            right[row] += (guess == targets[start : start + PIECE]).sum()
    return right


def _after(network: Network, name: str, values: Tensor) -> Tensor:
    """Return the logits that follow from a layer's output."""
    names = list(network.chain.layers)
    with torch.no_grad():
        for later in names[names.index(name) + 1 :]:
            values = network.chain.layers[later](values)
        return network.chain.readout(values.flatten(1))
