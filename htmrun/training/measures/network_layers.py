"""What is measured of a network's layers: activity, class selectivity, cosines of updates."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from htmrun.components.registry import register
from htmrun.training.measures.measure import Found, Measure, Metric, Metrics, Run
from htmrun.training.measures.selectivity import selectivity

if TYPE_CHECKING:
    from htmrun.components.networks.network import Network

LAYERS = "layers"
"""Stands for all layers of a network, in the names of means over them."""
COMPARED = ("/sparsity", "/entropy", "/selectivity", "/update_cosine", "/probe_accuracy")
"""Metrics that have such means."""
IMAGES = 1000
"""Held-out images on which activity is measured, the first so many."""
WINDOW = 64
"""Images from which updates are compared."""
SYNAPSES = 1 << 24
"""Spatial poolers above this many synapses are not compared: it would take too long."""


@register("measure")
class NetworkLayers(Measure):
    """Metrics of a trained network's layers on held-out images; names are NETWORK.LAYER/METRIC."""

    metrics: ClassVar = (
        Metric("{layer}/probe_accuracy", "representation", "up", "accuracy of a linear classifier "
               "of a network's block", "share correct"),
        Metric("{layer}/update_cosine", "representation", "none", "cosine between what a layer "
               "would learn and the exact gradient, one window"),
    )  # fmt: skip
    order = 40

    def finish(self, run: Run) -> Found:
        """Return metrics; each block's activity by unit as `NAME/activity`, and of the first layer
        that has some what its units see, as `NAME/fields`. Empty without held-out images.
        """
        found, name = run.pipeline.readout.inside(), run.pipeline.readout.name
        chunk = None if found is None else next(iter(run.source.test(IMAGES) or ()), None)
        if found is None or chunk is None:
            return Found()
        from htmrun.components.networks import inspection  # It needs torch.

        network: Network = found[0]
        images = found[1](run.pipeline.compute(chunk).activity)
        targets = run.pipeline.classes_of(chunk.target)
        counts = np.bincount(targets, minlength=network.classes)
        metrics: Metrics = {}
        series: dict[str, np.ndarray] = {}
        for layer, by_class in inspection.activity(network, images, targets).items():
            by_name = activity_metrics(by_class, counts)
            metrics |= {f"{name}.{layer}/{n}": value for n, value in by_name.items()}
            series[f"{name}.{layer}/activity"] = np.average(
                by_class[counts > 0], axis=0, weights=counts[counts > 0]
            )
        series |= {f"{name}.{n}/fields": array for n, array in inspection.fields(network).items()}
        for layer, accuracy in inspection.probe_accuracy(network, images, targets).items():
            metrics[f"{name}.{layer}/probe_accuracy"] = accuracy
        if _worth_comparing(network):
            cosines = inspection.gradient_cosines(network, images[:WINDOW], targets[:WINDOW])
            metrics |= {f"{name}.{layer}/update_cosine": value for layer, value in cosines.items()}
        compared = {n: v for n, v in metrics.items() if n.endswith(COMPARED)}
        return Found(metrics | over_layers(compared), series)


def over_layers(metrics: Metrics) -> Metrics:
    """Return the means over a network's layers of metrics called NETWORK.LAYER/METRIC.

    They are called layers/METRIC, the same in every arm, whatever its network is called.
    """
    values: dict[str, list[float]] = {}
    for name, value in metrics.items():
        values.setdefault(f"{LAYERS}/{name.rpartition('/')[2]}", []).append(value)
    return {name: float(np.mean(found)) for name, found in values.items()}


def _worth_comparing(network: Network) -> bool:
    """Say whether its updates can differ from backprop's, and comparing them is affordable."""
    synapses = sum(p.units * p.inputs for p in network.chain.poolers.values())
    other = network.parameters.credit.method != "backprop" or synapses > 0
    return other and synapses <= SYNAPSES


def activity_metrics(by_class: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]) -> Metrics:
    """Return how a block's units are used; by_class: from `activity`, counts: samples of a class.

    entropy: mean binary entropy of the units' activity, in bits.
    """
    seen = counts > 0
    means = by_class[seen]
    p = np.average(means, axis=0, weights=counts[seen])
    inside = p[(p > 0) & (p < 1)]
    entropy = -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside)).sum() / len(p)
    low, middle, high = np.quantile(p, (0.05, 0.5, 0.95))
    metrics = {
        "sparsity": float(p.mean()), "entropy": float(entropy),
        "dead_units": float((p == 0).mean()),
        "activity_p05": float(low), "activity_p50": float(middle), "activity_p95": float(high),
    }  # fmt: skip
    by_unit = selectivity(means)
    return metrics if by_unit is None else metrics | {"selectivity": by_unit}
