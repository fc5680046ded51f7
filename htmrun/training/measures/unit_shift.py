"""How far the units of a network's layers move between two points of the curves."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from htmrun.components.networks import shift
from htmrun.components.registry import register
from htmrun.training.measures.measure import Due, Found, Measure, Metric, Metrics, Run, Saved
from htmrun.training.measures.network_layers import over_layers
from htmrun.training.measures.probes import PROBES, no_reset


@register("measure")
class UnitShift(Measure):
    """Shift of units between successive points of the curves, on the first held-out samples."""

    metrics: ClassVar = (
        Metric("{layer}/rate_shift", "learning", "down", "how far a unit's firing rate on 256 "
               "fixed samples moves from one point of the curves to the next, mean over units and "
               "points", "share of samples", "Ioffe, Szegedy 2015"),
        Metric("{layer}/value_shift", "learning", "down", "how far the mean of a value that a unit "
               "reads moves meanwhile, in its standard deviations; 0 to 2",
               "standard deviations", "Ioffe, Szegedy 2015"),
    )  # fmt: skip
    order = 46

    def begin(self, run: Run) -> None:
        """Encode the samples; nothing of a job without a network or without held-out samples."""
        found = run.pipeline.readout.inside()
        chunk = None if found is None else next(iter(run.source.test(PROBES) or ()), None)
        self._bits: Any = None if chunk is None else run.pipeline.encoder.encode(chunk.fields)
        self._before: dict[str, shift.Moments] = {}
        self._seen: dict[str, list[float]] = {}
        self._samples: list[float] = []

    def look(self, run: Run, due: Due) -> Metrics:
        """Compare the units with what they were at the point before."""
        found = run.pipeline.readout.inside()
        if not due.curve or self._bits is None or found is None:
            return {}
        network, given = found
        activity = run.pipeline.activity(self._bits, no_reset(self._bits))
        now = shift.moments(network, given(activity))
        if self._before:
            self._samples.append(float(run.sample))
        for layer, before in self._before.items():
            self._take(f"{layer}/rate_shift", shift.rate_shift(before, now[layer]))
            self._take(f"{layer}/value_shift", shift.value_shift(before, now[layer]))
        self._before = now
        return {}

    def finish(self, run: Run) -> Found:
        """Return means over the points, and each point's shift as `NETWORK.LAYER/rate_shift`."""
        name = run.pipeline.readout.name
        curves = {f"{name}.{own}": np.array(values) for own, values in self._seen.items()}
        means = {own: float(curve.mean()) for own, curve in curves.items()}
        if curves:
            curves[f"{name}.shift/sample"] = np.array(self._samples)
        return Found(means | over_layers(means), curves)

    def state(self) -> Saved:
        """Return what was seen so far."""
        return {"before": self._before, "seen": self._seen, "samples": self._samples}

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned."""
        self._before, self._seen = saved["before"], saved["seen"]
        self._samples = saved["samples"]

    def _take(self, name: str, value: float | None) -> None:
        if value is not None:
            self._seen.setdefault(name, []).append(value)
