"""The SDR classifier as the last stage of a pipeline: several horizons, delayed targets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from htmrun.backends import Backend, SDRClassifierBackend, State
from htmrun.backends.cuda import footprint
from htmrun.backends.parameters import SDRModelParameters
from htmrun.backends.plan import Flags, Plan
from htmrun.backends.state import checked
from htmrun.components.classifiers import Classes, Site, Targets
from htmrun.components.classifiers.buckets import merged, summed
from htmrun.components.classifiers.horizons import HorizonParameters, HorizonReadout, Past, ahead
from htmrun.components.classifiers.scores import Activity, Scores, read
from htmrun.components.layout import Layout
from htmrun.components.registry import register


class SDRClassifierParameters(HorizonParameters, SDRModelParameters):
    """SDR classifier: softmax on the bits of one or more stages, one set of weights per horizon."""


@register("readout", SDRClassifierParameters)
class SDRReadout(HorizonReadout):
    """Predicts the class of sample t from the bits of sample t - h, for each horizon h.

    What is learned at sample t is the pair (bits of t - h, class of t), with the error
    measured against the weights of the last commit. No pair reaches across a reset.
    """

    widens = True

    def __init__(
        self, parameters: SDRClassifierParameters, targets: Targets, reads: tuple[str, ...],
        size: int, backend: Backend, *, name: str = "classifier", learn: bool = True,
    ) -> None:  # fmt: skip
        """`size`: bits of all outputs that it reads."""
        self.parameters, self.targets, self.inputs = parameters, targets, reads
        self.name, self.learn = name, learn
        self.models: dict[int, SDRClassifierBackend] = {
            h: backend.SDRClassifier(parameters, size, targets.classes) for h in parameters.horizons
        }
        self._past = Past(
            size, targets.classes, parameters.horizons, forecasts=targets.buckets is not None
        )

    @classmethod
    def build(cls, parameters: SDRClassifierParameters, site: Site) -> SDRReadout:
        """Return a classifier with weights of zero."""
        cls.check_reads(site.name, parameters, site.front)
        reads = site.front.read(parameters.reads)
        targets = cls.targets_of(site.name, parameters, site.source)
        return cls(
            parameters, targets, reads, site.front.size(reads), site.backend, name=site.name,
            learn=site.name not in site.frozen,
        )  # fmt: skip

    @classmethod
    def state_bytes(
        cls, parameters: SDRClassifierParameters, front: Layout, targets: Targets
    ) -> int:
        """Count weights and the pending gradient of each horizon."""
        size = front.size(front.read(parameters.reads))
        return len(targets.horizons) * size * targets.classes * 8

    @classmethod
    def card_bytes(
        cls, parameters: SDRClassifierParameters, front: Layout, targets: Targets
    ) -> int:
        """Return the bytes of each horizon's model and of its chunks."""
        size = front.size(front.read(parameters.reads))
        return len(targets.horizons) * footprint.classifier(size, targets.classes)

    def run(self, activity: Activity, targets: Classes, plan: Plan) -> list[Scores]:
        """Predict each sample, then learn from `targets`."""
        bits, age = read(activity, self.inputs), self._past.ages(plan.reset)
        scores = []
        for h, model in self.models.items():
            if h == 0:
                made = model.run(bits, targets, plan, self.learn)
                scores.append(Scores(0, made, np.ones(len(bits), np.bool_)))
                continue
            before, due = self._past.before(bits, h), np.where(age >= h, targets, -1)
            made = model.run(bits, due, plan, self.learn, before)
            scores.append(self._past.delay(h, made, age, self.buckets))
        self._past.remember(bits, age)
        return scores

    def pending(self) -> list[Scores]:
        """Return what was predicted of samples that are still to come."""
        return self._past.pending()

    def merge(self, ups: Sequence[bool]) -> None:
        """Make one bucket of every two neighbours, in weights and in what is pending."""
        for model in self.models.values():
            state = model.state()
            for up in ups:
                state["weights"] = merged(state["weights"], up)
                state["gradient"] = summed(state["gradient"], up)
            model.load(state)

    def compute(self, activity: Activity, reset: Flags) -> list[Scores]:
        """Return what is predicted from these bits alone; writes nothing."""
        bits = read(activity, self.inputs)
        return [ahead(h, m.compute(bits), reset, self.buckets) for h, m in self.models.items()]

    def state(self) -> State:
        """Return weights, pending gradients and what is remembered for the horizons."""
        named = self._past.state() | self.range_state()
        for h, model in self.models.items():
            named |= {f"h{h}.{name}": value for name, value in model.state().items()}
        return named

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        taken = checked(state, self.state(), self._past.free)
        self._past.load(taken)
        self.load_range(taken)
        for h, model in self.models.items():
            model.load({name: taken[f"h{h}.{name}"] for name in model.state()})
