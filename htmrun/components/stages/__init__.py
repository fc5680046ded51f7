"""The learning stages between encoder and readout: one file per kind, behind one pair of verbs.

A stage reads the bits of the stage before it and adds its own to the activity: under its
name, and whatever else it puts out under `NAME.WHAT`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from htmrun.backends import Backend, CellActivity, State
from htmrun.backends.bits import Bits
from htmrun.backends.devices import KINDS
from htmrun.backends.plan import Flags, Plan
from htmrun.components.classifiers.scores import Activity
from htmrun.components.layout import Outputs, Shape, Window


class Stage(ABC):
    """A stage of one arm with one seed; `learn` false: frozen in this arm.

    model: what it is on a backend. columns: how many columns it has.
    """

    devices: ClassVar[tuple[str, ...]] = KINDS
    """Kinds of devices that a run with it can have."""
    size_field: ClassVar[str] = ""
    """The setting that makes its state large; empty: what stands before it does."""
    behind: ClassVar[str | None] = None
    """What is expected before it where it cannot follow one of its own kind, in words."""
    row_by_row: ClassVar[bool] = False
    """Whether what it says of a sample is the same to the byte whatever else is in a chunk."""
    competes: ClassVar[bool] = False
    """Whether its main output is columns that won."""
    cells: CellActivity | None = None
    """What the last chunk's cells did, where it has cells that predict its columns."""
    predicts: ClassVar[bool] = False
    """Whether it has such cells."""

    columns: int
    active_columns: npt.NDArray[np.int64]
    """Where it has cells: how many columns each sample of the last chunk had."""

    def __init__(self, name: str, model: Any, learn: bool = True) -> None:
        self.name, self.model, self.learn = name, model, learn

    @classmethod
    @abstractmethod
    def build(
        cls, name: str, parameters: Any, shape: Shape, seed: int, backend: Backend, learn: bool
    ) -> Stage:
        """Return a fresh stage over inputs of `shape`; UserError where it does not fit them."""

    @classmethod
    @abstractmethod
    def outputs(cls, name: str, parameters: Any, shape: Shape | None) -> Outputs:
        """Return the shapes of what it puts out by name, the main one first; None: not known."""

    @classmethod
    @abstractmethod
    def state_bytes(cls, parameters: Any, shape: Shape) -> int:
        """Estimate the bytes of its state on the processor, at most where it grows."""

    @classmethod
    def first_bytes(cls, parameters: Any, shape: Shape) -> int:
        """Return the bytes of its state before it has learned anything."""
        return cls.state_bytes(parameters, shape)

    @classmethod
    def card_bytes(cls, parameters: Any, shape: Shape, longest_window: int) -> int:
        """Return the bytes of a card that it takes, chunks of samples included."""
        return 0

    @classmethod
    def windows(cls, name: str, parameters: Any) -> Iterator[Window]:
        """Yield what limits the number of samples in a window."""
        yield from ()

    @classmethod
    def problems(cls, name: str, parameters: Any, shape: Shape | None) -> Iterator[str]:
        """Yield one line for each thing that cannot work on inputs of `shape`."""
        yield from ()

    @classmethod
    def active(cls, parameters: Any, shape: Shape, before: int) -> int:
        """Return the most on-bits of its main output, where at most `before` of its input are."""
        return before

    @classmethod
    def notes(cls, name: str, parameters: Any, before: int, samples: int) -> Iterator[str]:
        """Yield one line for each thing that works, but not as most people would expect.

        before: the most on-bits of its input. samples: that it sees in all.
        """
        yield from ()

    @abstractmethod
    def run(self, before: Bits, plan: Plan, activity: Activity) -> Bits:
        """Predict, learn and commit as `plan` says; return the main output."""

    @abstractmethod
    def compute(self, before: Bits, reset: Flags, activity: Activity) -> Bits:
        """Return the main output from frozen state; writes nothing but `activity`."""

    def state(self) -> State:
        """Return the model's canonical state."""
        state: State = self.model.state()
        return state

    def load(self, state: State) -> None:
        """Take over a canonical state."""
        self.model.load(state)

    def counters(self) -> Mapping[str, int]:
        """Return what can be counted while it learns, by name."""
        return {}

    def figures(self, state: State) -> dict[str, float]:
        """Return figures of its `state` at the end, by name."""
        return {name: float(n) for name, n in self.counters().items()}

    def describe(self, state: State, won: np.ndarray | None) -> dict[str, np.ndarray]:
        """Return arrays that show what it looks like inside.

        won: share of the last fifth of the samples that each column won, where it was counted.
        """
        return {}
