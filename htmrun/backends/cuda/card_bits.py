"""Bits that kernels made: their on-bits stay on the card until somebody reads them.

Where a sample's on-bits begin is on the host, so samples are cut, joined and counted without a look
at the on-bits; a stage on the same card takes these as they lie. Whoever reads `indices` brings
those of all models of the chunk to the host, in one copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from htmrun.backends.bits import Bits, joined
from htmrun.backends.cuda.device import Device

I64 = npt.NDArray[np.int64]


class OnBits:
    """On-bits of a chunk, int32, listed on a card by `make` when first needed, copied when read."""

    def __init__(self, device: Device, make: Callable[[], Any]) -> None:
        self._device, self._make = device, make
        self._there: Any = None
        self._here: npt.NDArray[np.int32] | None = None
        # The models of a chunk are read by several threads.
        self._lock = RLock()

    @property
    def on_card(self) -> Any:
        """The list on the card."""
        with self._lock:
            if self._there is None:
                with self._device.current():
                    self._there = self._make()
                del self._make
        return self._there

    @property
    def on_host(self) -> npt.NDArray[np.int32]:
        """The list on the host."""
        with self._lock:
            if self._here is None:
                self._here = self._device.to_host(self.on_card)
        return self._here


@dataclass(frozen=True)
class Piece:
    """Entries start..stop of a list."""

    of: OnBits
    start: int
    stop: int


@dataclass(frozen=True)
class Listed:
    """Samples on a card: where each one's on-bits begin, int64 (T + 1,), and those of all."""

    offsets: I64
    pieces: tuple[Piece, ...]

    def slice(self, start: int, stop: int) -> Listed:
        """Return samples start..stop."""
        low, high = int(self.offsets[start]), int(self.offsets[stop])
        pieces, before = [], 0
        for piece in self.pieces:
            first = piece.start + max(low - before, 0)
            before += piece.stop - piece.start
            last = piece.stop - max(before - high, 0)
            if first < last:
                pieces.append(Piece(piece.of, first, last))
        return Listed(self.offsets[start : stop + 1] - low, tuple(pieces))

    def must_be_listed(self) -> None:
        """Have the lists made now, while what they are made from is what it is."""
        for piece in self.pieces:
            _ = piece.of.on_card


class CardBits(Bits):
    """`samples` samples on `device` that `make` counts when somebody asks how many bits are on.

    `offsets` and `indices`, which a `Bits` is given, are found when they are read.
    """

    __slots__ = ("_device", "_indices", "_listed", "_make", "_samples")

    def __init__(self, device: Device, size: int, samples: int, make: Callable[[], Listed]) -> None:
        self._device, self._samples, self._make = device, samples, make
        self._listed: Listed | None = None
        self._indices: npt.NDArray[np.int32] | None = None
        self.size = size  # type: ignore[misc]

    @property
    def listed(self) -> Listed:
        """Where they are."""
        if self._listed is None:
            self._listed = self._make()
            del self._make
        return self._listed

    @property  # type: ignore[misc]
    def offsets(self) -> I64:
        """Where each sample's on-bits begin."""
        return self.listed.offsets

    @property  # type: ignore[misc]
    def indices(self) -> npt.NDArray[np.int32]:
        """The on-bits, copied from the card the first time."""
        if self._indices is None:
            pieces = [p for p in self.listed.pieces if p.start < p.stop]
            parts = [p.of.on_host[p.start : p.stop] for p in pieces]
            self._indices = np.concatenate(parts) if len(parts) > 1 else _only(parts)
        return self._indices

    @property
    def total(self) -> int:
        """How many bits are on, of all samples."""
        return int(self.offsets[-1])

    def __repr__(self) -> str:
        return f"CardBits({len(self)} samples of {self.size} bits)"

    def __len__(self) -> int:
        return self._samples

    def slice(self, start: int, stop: int) -> Bits:
        """Return samples start..stop, which stay on the card."""
        return CardBits(
            self._device, self.size, stop - start, lambda: self.listed.slice(start, stop)
        )

    def joined_with(self, parts: Sequence[Bits]) -> Bits:
        """Return the samples of `parts` one after the other, on the card if all of them are."""
        if not all(lies_on(part, self._device) or not part.total for part in parts):
            return joined(parts)
        samples = sum(len(part) for part in parts)
        return CardBits(self._device, self.size, samples, lambda: _one_after_the_other(parts))


def lies_on(bits: Bits, device: Device) -> TypeGuard[CardBits]:
    """Return whether the on-bits are, or can be listed, on `device`."""
    return isinstance(bits, CardBits) and bits._device is device


def bits_of(device: Device, size: int, listed: Listed) -> Bits:
    """Return samples that have been counted."""
    return CardBits(device, size, len(listed.offsets) - 1, lambda: listed)


def on_host(bits: Bits) -> Bits:
    """Return bits whose on-bits are on the host and nowhere else."""
    return Bits(bits.size, bits.indices, bits.offsets) if isinstance(bits, CardBits) else bits


def on_bits(device: Device, parts: Iterable[Bits]) -> Any:
    """Return the on-bits of all parts, one after the other, int32 on `device`.

    At least one entry, which is unused where there are none. What lies there already is not copied
    if it is one stretch of a list, and copied on the card otherwise.
    """
    parts = list(parts)
    here = [part.indices for part in parts if not lies_on(part, device)]
    sent = np.ascontiguousarray(np.concatenate([*here, np.zeros(1, np.int32)]), np.int32)
    upload = OnBits(device, lambda: device.xp.asarray(sent))
    found: list[Piece] = []
    at = 0
    for part in parts:
        if lies_on(part, device):
            pieces: Sequence[Piece] = part.listed.pieces
        else:
            pieces = (Piece(upload, at, at := at + len(part.indices)),)
        for piece in pieces:
            if found and found[-1].of is piece.of and found[-1].stop == piece.start:
                found[-1] = Piece(piece.of, found[-1].start, piece.stop)
            elif piece.start < piece.stop:
                found.append(piece)
    if not found:
        return upload.on_card
    stretches = [piece.of.on_card[piece.start : piece.stop] for piece in found]
    return stretches[0] if len(stretches) == 1 else device.xp.concatenate(stretches)


def models_of(offsets: I64, whole: OnBits, models: int) -> list[Listed]:
    """Return each model's samples of a list of all; offsets, int64: of all rows of all models."""
    rows = (len(offsets) - 1) // models
    own = [offsets[m * rows : (m + 1) * rows + 1] for m in range(models)]
    return [Listed(o - o[0], (Piece(whole, int(o[0]), int(o[-1])),)) for o in own]


def _one_after_the_other(parts: Sequence[Bits]) -> Listed:
    counts = np.concatenate([part.counts() for part in parts])
    pieces = [p for part in parts if isinstance(part, CardBits) for p in part.listed.pieces]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
    return Listed(offsets, tuple(pieces))


def _only(parts: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
    return parts[0] if parts else np.zeros(0, np.int32)
