"""The SDR classifier as the last stage of a pipeline: several horizons, delayed targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

from htmrun.backends import Backend, SDRClassifierBackend
from htmrun.backends.cuda import footprint
from htmrun.backends.parameters import SDRModelParameters
from htmrun.components.classifiers import Site, Targets
from htmrun.components.classifiers.buckets import F32, merged, summed
from htmrun.components.classifiers.horizons import HorizonParameters
from htmrun.components.classifiers.models import ModelsReadout
from htmrun.components.layout import Layout
from htmrun.components.registry import register


class SDRClassifierParameters(HorizonParameters, SDRModelParameters):
    """SDR classifier: softmax on the bits of one or more stages, one set of weights per horizon."""


@register("readout", SDRClassifierParameters)
class SDRReadout(ModelsReadout):
    """One set of weights for each horizon."""

    row_by_row = widens = True
    models: dict[int, SDRClassifierBackend]  # type: ignore[assignment]

    def __init__(
        self, parameters: SDRClassifierParameters, targets: Targets, reads: tuple[str, ...],
        size: int, backend: Backend, *, name: str = "classifier", learn: bool = True,
    ) -> None:  # fmt: skip
        """`size`: bits of all outputs that it reads."""
        self.parameters = parameters

        def make() -> SDRClassifierBackend:
            return backend.SDRClassifier(parameters, size, targets.classes)

        super().__init__(targets, reads, size, make, name=name, learn=learn)

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

    def merge(self, ups: Sequence[bool]) -> None:
        """Make one bucket of every two neighbours, in weights and in what is pending."""

        def doubled(change: Callable[[F32, bool], F32]) -> Callable[[F32], F32]:
            return lambda rows: reduce(change, ups, rows)

        for model in self.models.values():
            model.change(doubled(merged), doubled(summed))
