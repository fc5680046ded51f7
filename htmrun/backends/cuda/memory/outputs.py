"""What temporal memories said of a chunk, brought from the device for whoever reads it.

How many columns were hit and burst is on the host at once. Cells and predicted columns stay on the
device as words until somebody asks for them; then all models' come in one transfer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends import CellActivity
from htmrun.backends.bits import Bits
from htmrun.backends.cuda.memory.rows import cells_of

Counts = npt.NDArray[np.int32]


class Words:
    """Words of a chunk on a device, copied to the host once, when first asked for."""

    def __init__(self, to_host: Callable[[Any], np.ndarray], on_device: Any) -> None:
        self._to_host, self._words, self._here = to_host, on_device, False
        self._lock = Lock()

    @property
    def on_host(self) -> np.ndarray:
        """The words."""
        with self._lock:  # models of a chunk may be read by several threads
            if not self._here:
                self._words, self._here = self._to_host(self._words), True
        words: np.ndarray = self._words
        return words


class Said:
    """One model's part of a chunk: samples of `columns`, their words from `start` on in `active`
    and `winners`, row `model` of `predicted`.
    """

    def __init__(
        self, columns: Bits, cells_per_column: int, start: int, model: int, active: Words,
        winners: Words, predicted: Words,
    ) -> None:  # fmt: skip
        self._columns, self._cells_per_column = columns, cells_per_column
        self._start, self._model = start, model
        self._active, self._winners, self._predicted = active, winners, predicted

    def active(self) -> Bits:
        """Return the active cells."""
        return self._cells(self._active)

    def winners(self) -> Bits:
        """Return the winner cells."""
        return self._cells(self._winners)

    def predicted(self) -> Bits:
        """Return the predicted columns."""
        return _set_bits(self._predicted.on_host[self._model], self._columns.size)

    def _cells(self, words: Words) -> Bits:
        stop = self._start + len(self._columns.indices)
        return cells_of(self._columns, words.on_host[self._start : stop], self._cells_per_column)


class CardActivity(CellActivity):
    """A `CellActivity` whose bits are made when they are read."""

    def __init__(self, parts: Sequence[Said], hits: Counts, bursting: Counts) -> None:
        object.__setattr__(self, "_parts", parts)
        object.__setattr__(self, "hits", hits)
        object.__setattr__(self, "bursting", bursting)

    _parts: Sequence[Said]

    @cached_property
    def active(self) -> Bits:
        """The active cells."""
        return _joined([part.active() for part in self._parts])

    @cached_property
    def winners(self) -> Bits:
        """The winner cells."""
        return _joined([part.winners() for part in self._parts])

    @cached_property
    def predicted(self) -> Bits:
        """The predicted columns."""
        return _joined([part.predicted() for part in self._parts])


def _joined(parts: Sequence[Bits]) -> Bits:
    return parts[0] if len(parts) == 1 else Bits.concatenate(parts)


def _set_bits(words: npt.NDArray[np.uint32], size: int) -> Bits:
    """Return the bits of packed rows that are hardly ever set, uint32 (T, words)."""
    row, word = np.nonzero(words)
    octets = np.ascontiguousarray(words[row, word], "<u4").view(np.uint8).reshape(-1, 4)
    place, bit = np.nonzero(np.unpackbits(octets, axis=1, bitorder="little"))
    ends = np.cumsum(np.bincount(row[place], minlength=len(words)), dtype=np.int64)
    indices = (word[place] * 32 + bit).astype(np.int32)
    return Bits(size, indices, np.concatenate([np.zeros(1, np.int64), ends]))
