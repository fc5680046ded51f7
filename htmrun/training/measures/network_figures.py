"""Figures of a trained network's layers on held-out images; names are NETWORK.LAYER/FIGURE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from htmrun.components.networks.readout import NetworkReadout
from htmrun.components.pipeline import Pipeline
from htmrun.components.sources import Source
from htmrun.training.measures.meters import Figures

if TYPE_CHECKING:
    from htmrun.components.networks.network import Network

IMAGES = 1000
"""Held-out images on which activity is measured, the first so many."""
WINDOW = 64
"""Images from which updates are compared."""
SYNAPSES = 1 << 24
"""Spatial poolers above this many synapses are not compared: it would take too long."""


def network_figures(
    pipeline: Pipeline, readout: NetworkReadout, source: Source
) -> tuple[Figures, dict[str, np.ndarray]]:
    """Return figures by name, and each block's activity by unit as `NAME/activity`,
    and of the first layer that has some what its units see, as `NAME/fields`.

    Leaves no trace in the pipeline. Empty without held-out images.
    """
    from htmrun.training.measures import network_layers

    network, name = readout.network, readout.name
    chunk = next(iter(source.test(IMAGES) or ()), None)
    if chunk is None:
        return {}, {}
    images, targets = (
        readout.read(pipeline.compute(chunk).activity),
        pipeline.classes_of(chunk.target),
    )
    counts = np.bincount(targets, minlength=network.classes)
    figures: Figures = {}
    series: dict[str, np.ndarray] = {}
    for layer, by_class in network_layers.activity(network, images, targets).items():
        found = network_layers.activity_figures(by_class, counts)
        figures |= {f"{name}.{layer}/{n}": value for n, value in found.items()}
        series[f"{name}.{layer}/activity"] = np.average(
            by_class[counts > 0], axis=0, weights=counts[counts > 0]
        )
    series |= {f"{name}.{n}/fields": array for n, array in network_layers.fields(network).items()}
    for layer, accuracy in network_layers.probe_accuracy(network, images, targets).items():
        figures[f"{name}.{layer}/probe_accuracy"] = accuracy
    if _worth_comparing(network):
        cosines = network_layers.gradient_cosines(network, images[:WINDOW], targets[:WINDOW])
        figures |= {f"{name}.{layer}/update_cosine": value for layer, value in cosines.items()}
    return figures, series


def _worth_comparing(network: Network) -> bool:
    """Say whether its updates can differ from backprop's, and comparing them is affordable."""
    synapses = sum(p.units * p.inputs for p in network.chain.poolers.values())
    other = network.parameters.credit.method != "backprop" or synapses > 0
    return other and synapses <= SYNAPSES
