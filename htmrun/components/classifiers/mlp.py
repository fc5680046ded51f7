"""A multilayer perceptron on the bits of stages: one network for each horizon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from htmrun.backends import State
from htmrun.backends.bits import Bits
from htmrun.backends.plan import Plan
from htmrun.backends.state import checked
from htmrun.components.classifiers import Classes, Site, Targets
from htmrun.components.classifiers.horizons import HorizonParameters, Made
from htmrun.components.classifiers.models import ModelsReadout
from htmrun.components.layout import Layout
from htmrun.components.networks import shapes, widening
from htmrun.components.networks.parameters import NetworkParameters
from htmrun.components.networks.readout import REMEMBERED, NetworkReadout, build_network
from htmrun.components.registry import register
from htmrun.errors import UserError

if TYPE_CHECKING:
    from htmrun.components.networks.network import Network


class MLPParameters(HorizonParameters):
    """Multilayer perceptron on the bits of one or more stages: ReLU layers, then a softmax."""

    kind: Literal["mlp"] = "mlp"
    depth: int = Field(1, ge=0, le=20, description="Hidden layers; 0: a softmax on the bits.")
    units: int = Field(128, ge=1, le=65_536, description="Units of each hidden layer.")
    credit: Literal["backprop", "feedback_alignment", "direct_feedback"] = Field(
        "backprop",
        description="How errors find hidden weights: exact gradients, or by fixed random weights, "
        "layer by layer or from the output straight to every layer.",
    )
    optimizer: Literal["sgd", "momentum", "rmsprop", "adam"] = Field(
        "adam", description="Plain steps, with momentum, RMSProp or Adam."
    )
    learning_rate: float = Field(
        0.001, gt=0.0, le=100.0, allow_inf_nan=False, description="Length of a step."
    )
    weight_decay: float = Field(
        0.0, ge=0.0, le=1.0, description="Share of a weight added to its gradient."
    )

    def network(self) -> NetworkParameters:
        """Return the same as a network in layers."""
        layers: dict[str, dict[str, object]] = {}
        for number in range(1, self.depth + 1):
            layers[f"hidden{number}"] = {"kind": "linear", "units": self.units}
            layers[f"relu{number}"] = {"kind": "relu"}
        return NetworkParameters.model_validate(
            {
                "layers": layers,
                "credit": {"method": self.credit},
                "optimizer": {
                    "method": self.optimizer,
                    "learning_rate": self.learning_rate,
                    "weight_decay": self.weight_decay,
                },
            }
        )


class BitNetwork:
    """A network that is given bits."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def run(
        self, bits: Bits, targets: Classes, plan: Plan, learn: bool = True,
        learn_bits: Bits | None = None,
    ) -> Made:  # fmt: skip
        """Predict each sample, then learn `targets` (-1: nothing) from `learn_bits` or `bits`."""
        given = None if learn_bits is None else learn_bits.dense()
        return self.network.run(bits.dense(), targets, plan, learn, given)[0]

    def compute(self, bits: Bits) -> Made:
        """Return probabilities (T, classes); writes nothing."""
        return self.network.compute(bits.dense())

    def state(self) -> State:
        """Return weights, what the optimizer remembers, and the open window."""
        return self.network.state()

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        self.network.load(state)


@register("readout", MLPParameters)
class MLPReadout(ModelsReadout):
    """One network for each horizon; torch makes them."""

    widens = True
    joins_lots = False  # torch shares no launches: a network on the card goes its own way.
    size_field = "units"
    models: dict[int, BitNetwork]  # type: ignore[assignment]

    @classmethod
    def lacking(cls) -> str | None:
        """Say whether torch sees no card."""
        return NetworkReadout.lacking()

    @classmethod
    def build(cls, parameters: MLPParameters, site: Site) -> MLPReadout:
        """Return networks with fresh weights."""
        cls.check_reads(site.name, parameters, site.front)
        reads = site.front.read(parameters.reads)
        size, network = site.front.size(reads), parameters.network()
        targets = cls.targets_of(site.name, parameters, site.source)

        def make() -> BitNetwork:
            return BitNetwork(build_network(network, (size,), targets.classes, site, None))

        return cls(
            targets, reads, size, make, name=site.name, learn=site.name not in site.frozen
        )  # fmt: skip

    @classmethod
    def state_bytes(cls, parameters: MLPParameters, front: Layout, targets: Targets) -> int:
        """Count weights and what the optimizer remembers of each."""
        size = front.size(front.read(parameters.reads))
        weights = shapes.costs(parameters.network(), (size,), targets.classes)[0]
        return len(targets.horizons) * weights * (1 + REMEMBERED[parameters.optimizer])

    @classmethod
    def card_bytes(cls, parameters: MLPParameters, front: Layout, targets: Targets) -> int:
        """Return the same as on the processor."""
        return cls.state_bytes(parameters, front, targets)

    def merge(self, ups: Sequence[bool]) -> None:
        """Make one bucket of every two neighbours, in the output layers and what is pending."""
        for model in self.models.values():
            widening.merge(model.network, ups)

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        own = self._past.state() | self.range_state()
        before = self.state()
        of = {h: {n.removeprefix(f"h{h}."): a for n, a in state.items()
                  if n not in own and n.startswith(f"h{h}.")} for h in self.models}  # fmt: skip
        rest = {f"h{h}.{n}" for h, arrays in of.items() for n in arrays}
        taken = checked(
            {n: a for n, a in state.items() if n not in rest}, own, self._past.free
        )  # fmt: skip
        try:
            for h, model in self.models.items():
                model.load(of[h])
        except (ValueError, UserError):
            # The networks before it have changed already.
            self.load(before)
            raise
        self._past.load(taken)
        self.load_range(taken)
