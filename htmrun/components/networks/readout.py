"""A network as the last stage of a pipeline: images or bits in, classes out."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from htmrun._imports import torch
from htmrun.backends import State
from htmrun.backends.bits import Bits
from htmrun.backends.plan import Flags, Plan
from htmrun.backends.state import checked
from htmrun.components.classifiers import Classes, Site, Targets
from htmrun.components.classifiers.horizons import HorizonReadout, Past, ahead
from htmrun.components.classifiers.scores import Activity, Scores, read
from htmrun.components.layout import Layout, LeastWindow, Shape, Window
from htmrun.components.networks import shapes
from htmrun.components.networks.parameters import NetworkParameters
from htmrun.components.registry import component_of, register
from htmrun.errors import UserError

if TYPE_CHECKING:
    from htmrun.components.networks.network import Network

REMEMBERED = {"sgd": 0, "momentum": 1, "rmsprop": 1, "adam": 2}
"""Numbers that an optimizer keeps for each weight."""


@register("readout", NetworkParameters)
class NetworkReadout(HorizonReadout):
    """A network on images, or on the bits of stages as zeros and ones.

    Without a horizon it learns (input of t, class of t), with horizon h (bits of t - h, class
    of t); no pair reaches across a reset.
    """

    field = "image"
    joins_lots = False  # torch shares no launches: a network on the card goes its own way.
    size_field = "layers"

    def __init__(
        self, name: str, network: Network, targets: Targets, reads: tuple[str, ...], size: int,
        *, learn: bool = True,
    ) -> None:  # fmt: skip
        """`size`: bits of all outputs that it reads."""
        self.name, self.network, self.targets, self.inputs = name, network, targets, reads
        self.learn, (self.horizon,) = learn, targets.horizons
        forecasts = targets.buckets is not None
        past = Past(size, targets.classes, targets.horizons, forecasts=forecasts)
        self._past = past if self.horizon else None

    @classmethod
    def lacking(cls) -> str | None:
        """Say whether torch sees no card."""
        return None if torch.cuda.is_available() else "this build of torch sees no card"

    @classmethod
    def parts(cls, parameters: NetworkParameters) -> tuple[str, ...]:
        """Return the names of the layers."""
        return tuple(parameters.layers)

    @classmethod
    def problems(cls, name: str, parameters: NetworkParameters, front: Layout) -> Iterator[str]:
        """Say where layers do not fit what they read, as far as its shape is known."""
        if len(parameters.horizons) > 1:
            yield (
                f"{name}.horizons: found {list(parameters.horizons)}, expected one (an sdr "
                "classifier predicts at several)"
            )
        shape = input_shape(front, parameters)
        if shape is not None:
            try:
                shapes.walk(parameters, shape, name, _layers(front.left_out))
            except UserError as error:
                yield str(error)

    @classmethod
    def windows(
        cls, name: str, parameters: NetworkParameters, front: Layout, frozen: Collection[str]
    ) -> Iterator[Window]:
        """Yield the duty cycles' periods of layers that learn, and what normalises over windows."""
        shape = input_shape(front, parameters)
        if shape is None or not parameters.learn:
            return
        try:
            sizes = shapes.walk(parameters, shape, name, _layers(front.left_out))
        except UserError:
            return  # `problems` says it.
        for layer, out in sizes.items():
            own = parameters.layers[layer]
            kind, place = component_of(own), f"{name}.layers.{layer}"
            period, least = kind.period(own, out), kind.least_window(own, out)
            if period is not None and f"{name}.{layer}" not in frozen:
                yield Window(place, *period)
            if least is not None:
                yield LeastWindow(place, least[0], why=least[1])

    @classmethod
    def state_bytes(cls, parameters: NetworkParameters, front: Layout, targets: Targets) -> int:
        """Count weights and what the optimizer remembers of each."""
        shape = input_shape(front, parameters)
        assert shape is not None
        weights = shapes.costs(parameters, shape, targets.classes, _layers(front.left_out))[0]
        return weights * (1 + REMEMBERED[parameters.optimizer.method])

    @classmethod
    def card_bytes(cls, parameters: NetworkParameters, front: Layout, targets: Targets) -> int:
        """Return the same as on the processor."""
        return cls.state_bytes(parameters, front, targets)

    @classmethod
    def build(cls, parameters: NetworkParameters, site: Site) -> NetworkReadout:
        """Return a network with fresh weights; UserError where layers do not fit what it reads."""
        cls.check_reads(site.name, parameters, site.front)
        reads, shape = site.front.read(parameters.reads), input_shape(site.front, parameters)
        # Images are turned by the network itself, channels first.
        given = shape if site.front.bits else site.front.shape
        assert shape is not None
        assert given is not None
        targets = cls.targets_of(site.name, parameters, site.source)
        white = None if site.front.bits else float(getattr(site.source, "white", 255.0))
        network = build_network(parameters, given, targets.classes, site, white)
        learn = site.name not in site.frozen
        return cls(site.name, network, targets, reads, math.prod(shape), learn=learn)

    def read(self, activity: Activity) -> np.ndarray:
        """Return what the network is given: images, or uint8 zeros and ones (T, *shape)."""
        found = activity[self.inputs[0]]
        return found if isinstance(found, np.ndarray) else self._dense(read(activity, self.inputs))

    def run(self, activity: Activity, targets: Classes, plan: Plan) -> list[Scores]:
        """Predict each sample, then learn from `targets`."""
        given = self.read(activity)
        if self._past is None:
            made, valid = self.network.run(given, targets, plan, self.learn)
            return [Scores(0, made, valid)]
        bits, age = read(activity, self.inputs), self._past.ages(plan.reset)
        before = self._dense(self._past.before(bits, self.horizon))
        due = np.where(age >= self.horizon, targets, -1)
        made, valid = self.network.run(given, due, plan, self.learn, before)
        scores = self._past.delay(self.horizon, made, age, self.buckets)
        self._past.remember(bits, age)
        # Either all of a network's training samples are scored or none.
        return [replace(scores, valid=scores.valid & valid)]

    def compute(self, activity: Activity, reset: Flags) -> list[Scores]:
        """Return what is predicted from these inputs alone; writes nothing."""
        made = self.network.compute(self.read(activity))
        return [ahead(self.horizon, made, reset, self.buckets)]

    def pending(self) -> list[Scores]:
        """Return what was predicted of samples that are still to come."""
        return [] if self._past is None else self._past.pending()

    def inside(self) -> tuple[Network, Callable[[Activity], np.ndarray]]:
        """Return the network, and what tells its input."""
        return self.network, self.read

    def state(self) -> State:
        """Return the network's state, and what is remembered for the horizon."""
        return self.network.state() | ({} if self._past is None else self._past.state())

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        past = {} if self._past is None else self._past.state()
        self.network.load({n: a for n, a in state.items() if n not in past})
        if self._past is not None:
            kept = {n: a for n, a in state.items() if n in past}
            self._past.load(checked(kept, past, self._past.free))

    def _dense(self, bits: Bits) -> np.ndarray:
        return bits.dense().reshape(len(bits), *self.network.shape)


def build_network(
    parameters: NetworkParameters, given: Shape, classes: int, site: Site, white: float | None
) -> Network:
    """Return a network with fresh weights for a readout; see `Network` for `given` and `white`."""
    from htmrun.components.networks.network import Network

    return Network(
        parameters, given, classes, site.seed, site.backend,
        samples=site.samples, per_epoch=site.per_epoch, frozen=_layers(site.frozen),
        bypassed=_layers(site.front.left_out), white=white, device=_torch_device(site.device),
        path=site.name,
    )  # fmt: skip


def input_shape(front: Layout, parameters: NetworkParameters) -> Shape | None:
    """Return the shape of what the network reads, (channels, height, width) or (bits,).

    A grid of bits has one channel; where shapes are not known yet, None.
    """
    found = [front.outputs[name] for name in front.read(parameters.reads)]
    if any(shape is None for shape in found):
        return None
    known = [shape for shape in found if shape is not None]
    if not front.bits:
        return shapes.image_shape(known[0])
    if len(known) == 1 and len(known[0]) == 2:
        return (1, *known[0])
    return (sum(map(math.prod, known)),)


def _layers(parts: Collection[str]) -> set[str]:
    """Return the layers among named parts of a pipeline: they alone have a dot in them."""
    return {part.partition(".")[2] for part in parts if "." in part}


def _torch_device(device: str) -> str:
    """Return what torch calls an experiment's device; raises UserError where torch lacks it."""
    if not device.startswith("cuda"):
        return "cpu"
    lack = NetworkReadout.lacking()
    if lack is not None:
        raise UserError(
            f"device: found '{device}', but {lack}; expected cpu, or a build of torch for CUDA"
        )
    return device
