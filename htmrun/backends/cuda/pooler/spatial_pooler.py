"""The spatial pooler on a CUDA device, with the contract of `htmrun.backends`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from htmrun.backends import State
from htmrun.backends.bits import Bits
from htmrun.backends.cuda.device import Device
from htmrun.backends.cuda.pooler.group import SpatialPoolerGroup
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan


class SpatialPooler:
    """Spatial pooler over `input_shape`: a group of one model.

    Raises `UserError` where there is no CUDA device, if a potential pool would be empty, and
    for topologies of more than four dimensions.
    """

    def __init__(
        self,
        parameters: SpatialPoolerParameters,
        input_shape: tuple[int, ...],
        seed: int,
        device: Device | None = None,
    ) -> None:
        self.parameters = parameters
        self._group = SpatialPoolerGroup(parameters, input_shape, [seed], device)

    def run(self, bits: Bits, plan: Plan, learn: bool = True) -> Bits:
        """Return the winners of each sample, learning, committing and boosting as `plan` says."""
        return self._group.run([bits], [plan], learn)[0]

    def compute(self, bits: Bits) -> Bits:
        """Return the winners of each sample under the present state; writes nothing."""
        return self._group.compute([bits])[0]

    def overlaps(self, bits: Bits) -> npt.NDArray[np.int32]:
        """Return every column's overlap with each sample, int32 (T, columns)."""
        return self._group.overlaps([bits])[0]

    def state(self) -> State:
        """Return copies of the canonical state (names and meaning: `sp_contract`)."""
        return self._group.state(0)

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError if a name, dtype or shape differs."""
        self._group.load(0, state)
