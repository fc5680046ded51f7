"""The temporal memory on a CUDA device, with the contract of `htmrun.backends`."""

from __future__ import annotations

from htmrun.backends import CellActivity, State
from htmrun.backends.bits import Bits
from htmrun.backends.cuda.device import Device
from htmrun.backends.cuda.memory.group import TemporalMemoryGroup
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.backends.plan import Flags, Plan


class TemporalMemory:
    """Temporal memory over `columns` columns: a group of one model.

    Raises `UserError` where there is no CUDA device, if the cells cannot be numbered, and
    when the device has no room for more segments.
    """

    def __init__(
        self,
        parameters: TemporalMemoryParameters,
        columns: int,
        seed: int,
        device: Device | None = None,
    ) -> None:
        self.parameters, self.columns = parameters, columns
        self._group = TemporalMemoryGroup(parameters, columns, [seed], device)

    def run(self, bits: Bits, plan: Plan, learn: bool = True) -> CellActivity:
        """Predict, emit events and commit sample by sample as `plan` says.

        Without `learn` cell state and sample counter advance, nothing is queued or committed.
        """
        return self._group.run([bits], [plan], learn)[0]

    def compute(self, bits: Bits, reset: Flags) -> CellActivity:
        """Return what `run` would say with frozen segments, from the current cells on."""
        return self._group.compute([bits], [reset])[0]

    def counters(self) -> dict[str, int]:
        """Return live segments and synapses, and what happened to them so far."""
        return self._group.counters(0)

    @property
    def nbytes(self) -> int:
        """Bytes on the device that outlive a call, slack included."""
        return self._group.nbytes

    def state(self) -> State:
        """Return the canonical state; names, dtypes, orders: `tm_contract.DTYPES`."""
        return self._group.state(0)

    def load(self, state: State) -> None:
        """Take over what `state()` returned; raises UserError for anything else."""
        self._group.load(0, state)
