"""What a window holds for a classifier that learns whole samples: their bits and classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from htmrun.backends import State
from htmrun.backends.bits import Bits
from htmrun.backends.plan import Plan
from htmrun.components.classifiers import Classes

Counts = npt.NDArray[np.int64]
NAMES = frozenset({"pending_indices", "pending_offsets", "pending_classes"})
"""The arrays of `Events.state`."""


class Events:
    """The samples since the last commit, in order."""

    def __init__(self, size: int) -> None:
        self._bits, self._classes = Bits.empty(size), np.zeros(0, np.int64)

    def with_chunk(self, bits: Bits, targets: Classes, plan: Plan) -> tuple[Bits, Classes, Counts]:
        """Return all samples that wait or come with a class, and how many are due after each.

        Due (T,): those of windows that ended, counted from the first that waits.
        """
        known = targets >= 0
        chosen = Bits.from_rows(bits.size, [bits.row(t) for t in np.flatnonzero(known).tolist()])
        counted = len(self._classes) + np.cumsum(known, dtype=np.int64)
        due = np.maximum.accumulate(np.where(plan.commit != 0, counted, 0))
        return (
            Bits.concatenate([self._bits, chosen]),
            np.concatenate([self._classes, targets[known].astype(np.int64)]),
            due,
        )

    def keep(self, bits: Bits, classes: Classes, applied: int) -> None:
        """Go on waiting with all but the first `applied`."""
        self._bits, self._classes = tail(bits, applied), classes[applied:].copy()

    def merge(self, ups: Sequence[bool], count: int) -> None:
        """Follow doublings of the buckets' range."""
        self._classes = doubled(self._classes, ups, count)

    def state(self) -> State:
        """Return the samples that wait."""
        return {
            "pending_indices": self._bits.indices.copy(),
            "pending_offsets": self._bits.offsets.copy(),
            "pending_classes": self._classes.copy(),
        }

    def load(self, state: State) -> None:
        """Take over checked arrays."""
        self._bits = Bits(self._bits.size, state["pending_indices"], state["pending_offsets"])
        self._classes = state["pending_classes"]


def tail(bits: Bits, start: int) -> Bits:
    """Return the samples from `start` on, with memory of their own."""
    rest = bits.slice(start, len(bits))
    return Bits(rest.size, rest.indices.copy(), rest.offsets.copy())


def doubled(classes: Classes, ups: Sequence[bool], count: int) -> Classes:
    """Return the buckets that each became after doublings which went up or down."""
    for up in ups:
        classes = (classes + (0 if up else count)) // 2
    return classes
