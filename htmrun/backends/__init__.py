"""The HTM algorithms and what flows through them: one contract, several backends, equal bytes.

A backend is a package with three classes, `SpatialPooler`, `TemporalMemory` and
`SDRClassifier`. Whatever its layout, all backends give the same outputs and the same
canonical state, byte for byte. The rules are written once, in `docs/math.md`, and once
as plain code, in `backends.reference`.

Work is handed over in chunks of many samples. Stages do not feed back into earlier
ones, so running a whole chunk through one stage and then through the next gives exactly
what sample-by-sample running gives; how a stream is cut into chunks cannot be seen in
any result.

Every class has:
    run(bits, plan, learn=True)  predict, learn and commit sample by sample as `plan` says
    compute(bits, ...)           the same outputs from frozen state; writes nothing
    state()                      canonical arrays by name, layout-independent, copies
    load(state)                  take over what `state()` returned
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np
import numpy.typing as npt

from htmrun.backends.bits import Bits
from htmrun.backends.devices import cuda_index
from htmrun.backends.parameters import (
    SDRModelParameters,
    SpatialPoolerParameters,
    TemporalMemoryParameters,
)
from htmrun.backends.plan import Flags, Plan

State = dict[str, np.ndarray]


@dataclass(frozen=True)
class CellActivity:
    """What a temporal memory says of T samples.

    active, winners: cells (column * cells_per_column + k) of `columns * cells_per_column`.
    predicted: the columns that held a predictive cell before the sample was seen.
    hits: number of the sample's active columns that had been predicted, int32 (T,).
    bursting: number of the sample's active columns that burst, int32 (T,).
    """

    active: Bits
    winners: Bits
    predicted: Bits
    hits: npt.NDArray[np.int32]
    bursting: npt.NDArray[np.int32]

    @staticmethod
    def joined(parts: Sequence[CellActivity]) -> CellActivity:
        """Return what was said of consecutive pieces of a stream as one."""
        if len(parts) == 1:
            return parts[0]
        return CellActivity(
            active=Bits.concatenate([a.active for a in parts]),
            winners=Bits.concatenate([a.winners for a in parts]),
            predicted=Bits.concatenate([a.predicted for a in parts]),
            hits=np.concatenate([a.hits for a in parts]),
            bursting=np.concatenate([a.bursting for a in parts]),
        )


class SpatialPoolerBackend(Protocol):
    """Spatial pooler over `input_shape` (a tuple; its product is the input size)."""

    def __init__(
        self, parameters: SpatialPoolerParameters, input_shape: tuple[int, ...], seed: int
    ) -> None: ...

    def run(self, bits: Bits, plan: Plan, learn: bool = True) -> Bits: ...
    def compute(self, bits: Bits) -> Bits: ...
    def overlaps(self, bits: Bits) -> npt.NDArray[np.int32]: ...
    def state(self) -> State: ...
    def load(self, state: State) -> None: ...


class TemporalMemoryBackend(Protocol):
    """Temporal memory over `columns` columns."""

    def __init__(self, parameters: TemporalMemoryParameters, columns: int, seed: int) -> None: ...

    def run(self, bits: Bits, plan: Plan, learn: bool = True) -> CellActivity: ...
    def compute(self, bits: Bits, reset: Flags) -> CellActivity: ...
    def counters(self) -> dict[str, int]: ...
    def state(self) -> State: ...
    def load(self, state: State) -> None: ...


Change = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


class SDRClassifierBackend(Protocol):
    """Softmax classifier from `size` bits to `classes` classes."""

    def __init__(self, parameters: SDRModelParameters, size: int, classes: int) -> None: ...

    def run(
        self,
        bits: Bits,
        targets: npt.NDArray[np.int64],
        plan: Plan,
        learn: bool = True,
        learn_bits: Bits | None = None,
    ) -> npt.NDArray[np.float32]: ...
    def compute(self, bits: Bits) -> npt.NDArray[np.float32]: ...
    def state(self) -> State: ...
    def load(self, state: State) -> None: ...
    def change(self, weights: Change, gradient: Change) -> None:
        """Put what functions make of rows, which keep their shape, in the place of all rows.

        Of the weights and of the pending gradient; rows of zeros must stay such.
        """
        ...


class Backend(Protocol):
    """A backend: a package, or one on a card; each member makes a model."""

    @property
    def SpatialPooler(  # noqa: N802
        self,
    ) -> Callable[[SpatialPoolerParameters, tuple[int, ...], int], SpatialPoolerBackend]: ...
    @property
    def TemporalMemory(  # noqa: N802
        self,
    ) -> Callable[[TemporalMemoryParameters, int, int], TemporalMemoryBackend]: ...
    @property
    def SDRClassifier(  # noqa: N802
        self,
    ) -> Callable[[SDRModelParameters, int, int], SDRClassifierBackend]: ...


NAMES = ("cpu", "reference")
"""The backends that run everywhere; `cuda` and `cuda:N` need a card."""


def load_backend(name: str, threads: int = 1) -> Backend:
    """Return the backend called `name`: one of `NAMES`, or `cuda`, `cuda:N`.

    Imports it on first use. Models of `cpu` may use so many `threads`; the others have no use for
    them. Raises `UserError` for a card that is not there.
    """
    index = cuda_index(name)
    if index is not None:
        cuda: Backend = import_module("htmrun.backends.cuda").placed(index)
        return cuda
    if name not in NAMES:
        raise ValueError(f"backend {name!r}, expected one of {', '.join(NAMES)}, cuda, cuda:N")
    if name == "cpu" and threads > 1:
        several: Backend = import_module("htmrun.backends.cpu").threaded(threads)
        return several
    return import_module(f"htmrun.backends.{name}")
