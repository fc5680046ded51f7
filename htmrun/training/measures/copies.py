"""What each of a layer's poolers is worth, by leaving it out."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from htmrun.components.networks import copies
from htmrun.components.registry import register
from htmrun.training.measures.measure import Found, Measure, Metric, Metrics, Run
from htmrun.training.measures.network_layers import IMAGES, over_layers


@register("measure")
class Copies(Measure):
    """Accuracy of a trained network on the first held-out images without each copy of a pooler."""

    metrics: ClassVar = (
        Metric("{layer}/worth", "representation", "none", "accuracy that is lost when one of a "
               "layer's poolers (`copies`) is left out, mean over them", "share correct",
               "Morcos et al. 2018"),
        Metric("{layer}/worth_{copy}", "representation", "none", "the same of one copy",
               "share correct"),
        Metric("{layer}/worth_spread", "representation", "none", "largest less smallest worth of "
               "the copies", "share correct"),
        Metric("{layer}/alone", "representation", "none", "accuracy with one copy and the others "
               "left out, mean over them; nothing is learned anew", "share correct"),
        Metric("{layer}/redundancy", "representation", "none", "1 - sum of the copies' worths over "
               "what they give together: 0 where each adds its part, 1 where any one can be left "
               "out at no cost, below 0 where they only work together", "share"),
    )  # fmt: skip
    order = 41

    def finish(self, run: Run) -> Found:
        """Return the worths; nothing without a network that has copies, or held-out images."""
        found, name = run.pipeline.readout.inside(), run.pipeline.readout.name
        chunk = None if found is None else next(iter(run.source.test(IMAGES) or ()), None)
        if found is None or chunk is None:
            return Found()
        encoded = run.pipeline.encoder.encode(chunk.fields)
        activity = run.pipeline.activity(encoded, chunk.reset)
        targets = run.pipeline.classes_of(chunk.target)
        metrics: Metrics = {}
        worth: Metrics = {}
        series: dict[str, np.ndarray] = {}
        for layer, parts in copies.parts(found[0], found[1](activity), targets).items():
            own: Metrics = {
                "worth": float(parts.worth.mean()),
                "worth_spread": float(np.ptp(parts.worth)),
                "alone": float(parts.alone.mean()),
            }
            if parts.redundancy is not None:
                own["redundancy"] = parts.redundancy
            metrics |= {f"{name}.{layer}/{n}": value for n, value in own.items()}
            worth |= {f"{name}.{layer}/worth_{i}": float(w) for i, w in enumerate(parts.worth)}
            series[f"{name}.{layer}/worth"] = parts.worth
            series[f"{name}.{layer}/alone"] = parts.alone
        return Found(metrics | worth | over_layers(metrics), series)
