"""A network in the place of a pipeline: images in, classes out, the same verbs and records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from htmrun.backends import State
from htmrun.backends.plan import Flags, Plan
from htmrun.backends.state import state_hash
from htmrun.components.classifiers.scores import Scores
from htmrun.components.networks.parameters import NetworkParameters
from htmrun.components.pipeline import Outcome
from htmrun.components.registry import register
from htmrun.components.sources import Chunk
from htmrun.components.stages import Stage

if TYPE_CHECKING:
    from htmrun.components.networks.network import Network


class Pixels:
    """What stands where a pipeline has its encoder: images as they are."""

    def encode(self, fields: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the images (T, H, W) or (T, H, W, C)."""
        return fields["image"]


@register("readout", NetworkParameters)
class NetworkPipeline:
    """One network of one arm with one seed; `learns` false: frozen in this arm."""

    buckets = None

    def __init__(self, name: str, network: Network, *, learns: bool = True) -> None:
        self.name, self.network, self._learns = name, network, learns
        self.encoder = Pixels()
        self.stages: list[Stage] = []

    def run(self, chunk: Chunk, plan: Plan) -> Outcome:
        """Predict, learn and commit as `plan` says."""
        images, target = chunk.fields["image"], self.classes_of(chunk.target)
        made, valid = self.network.run(images, target, plan, self._learns)
        return Outcome({}, [Scores(0, made, valid)])

    def compute(self, chunk: Chunk) -> Outcome:
        """Predict from frozen state; leaves no trace."""
        return self.compute_bits(chunk.fields["image"], chunk.reset)

    def compute_bits(self, encoded: np.ndarray, reset: Flags) -> Outcome:
        """Predict from images; leaves no trace."""
        made = self.network.compute(encoded)
        return Outcome({}, [Scores(0, made, np.ones(len(made), np.bool_))])

    def classes_of(self, target: np.ndarray) -> npt.NDArray[np.int64]:
        """Return the class of each target: itself."""
        return np.asarray(target, np.int64)

    def state(self) -> State:
        """Return every array that a later result depends on, named NETWORK/ARRAY."""
        return {f"{self.name}/{n}": a for n, a in self.network.state().items()}

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        self.network.load({n.removeprefix(f"{self.name}/"): a for n, a in state.items()})

    def state_hash(self) -> str:
        """Return the SHA-256 of `state()`."""
        return state_hash(self.state())
