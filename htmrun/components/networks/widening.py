"""An output layer whose classes are buckets of a range that doubles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from htmrun._imports import torch
from htmrun.components.classifiers.buckets import F32, merged, summed
from htmrun.components.classifiers.events import doubled

if TYPE_CHECKING:
    from torch import Tensor

    from htmrun.components.networks.network import Network


def merge(network: Network, ups: Sequence[bool]) -> None:
    """Make one class of every two neighbours, after doublings that went up or down.

    Weights and biases as the SDR classifier's: the larger of two, of a new bucket the least. That
    is right for inputs which are never negative. What the optimizer remembers adds up.
    """
    readout = network.chain.readout
    for parameter in (readout.weight, readout.bias):
        with torch.no_grad():
            for up in ups:
                _change(parameter, merged, up)
            for remembered in network.optimizer.state.get(parameter, {}).values():
                if torch.is_tensor(remembered) and remembered.shape == parameter.shape:
                    for up in ups:
                        _change(remembered, summed, up)
    network.rename(lambda classes: doubled(classes, ups, network.classes))


def _change(tensor: Tensor, rule: Callable[[F32, bool], F32], up: bool) -> None:
    """Apply `rule`, which has classes in columns, to a tensor with them in rows."""
    rows = np.atleast_2d(tensor.detach().cpu().numpy().T)
    made = rule(np.ascontiguousarray(rows), up)
    tensor.copy_(torch.from_numpy(np.ascontiguousarray(made.T).reshape(tensor.shape)))
