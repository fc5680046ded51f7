"""Samples on their way to the card and back: compressed rows, packed rows, winners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends.bits import Bits
from htmrun.backends.cuda.card_bits import Listed, OnBits, bits_of, models_of, on_bits
from htmrun.backends.cuda.device import Device


def words_of(size: int) -> int:
    """Return how many words of 32 bits hold `size` bits."""
    return -(-size // 32)


def after_gap(bits: Bits, gap: int) -> Bits:
    """Return `bits` with `gap` empty samples in front."""
    if gap == 0:
        return bits
    return Bits(bits.size, bits.indices, np.concatenate([np.zeros(gap, np.int64), bits.offsets]))


@dataclass(frozen=True)
class Rows:
    """The samples of several models on the device, `rows` for each.

    x_mrw: uint32 (models, rows, words), bit i % 32 of word i // 32 is input i. on_j, int32:
    the on-bits of all, offset_mr, int64 (models, rows + 1): where each row starts in it.
    most_on, int64 (rows,): the largest number of on-bits that any model has in a row (host).
    """

    x_mrw: Any
    on_j: Any
    offset_mr: Any
    rows: int
    words: int
    most_on: npt.NDArray[np.int64]

    @staticmethod
    def upload(device: Device, samples: Sequence[Bits]) -> Rows:
        """Hand over samples, equally many for each model; one copy each way of indices only."""
        rows, words = len(samples[0]), words_of(samples[0].size)
        starts = np.cumsum([0] + [int(b.offsets[-1]) for b in samples])
        offsets = np.stack([b.offsets + s for b, s in zip(samples, starts, strict=False)])
        on_j = on_bits(device, samples)
        offset_mr = device.xp.asarray(np.ascontiguousarray(offsets, np.int64))
        x_mrw = device.xp.empty((len(samples), rows, words), np.uint32)
        device.launch(
            "sp_start.cu", "pack_rows", (rows, len(samples)), (min(device.threads, 256),),
            on_j, offset_mr, x_mrw, np.int32(rows), np.int32(words),
        )  # fmt: skip
        most = np.max([b.counts() for b in samples], axis=0)
        return Rows(x_mrw, on_j, offset_mr, rows, words, most)


def packed(bits: Bits) -> npt.NDArray[np.uint32]:
    """Return samples as packed rows on the host, uint32 (T, words)."""
    dense = np.zeros((len(bits), words_of(bits.size) * 32), np.uint8)
    dense[:, : bits.size] = bits.dense()
    return np.packbits(dense, axis=1, bitorder="little").view("<u4").astype(np.uint32)


def listed(device: Device, x_mrw: Any, first: int, size: int) -> list[Bits]:
    """Return the samples from row `first` on of packed rows on the device, Bits for each model.

    The card makes lists of the on-bits, which stay there until they are read; the rows may change.
    """
    found = lists_of_rows(device, x_mrw, first)
    found[0].must_be_listed()
    return [bits_of(device, size, own) for own in found]


def lists_of_rows(device: Device, x_mrw: Any, first: int) -> list[Listed]:
    """Return the same for each model; on-bits are listed when somebody needs them."""
    models, rows, words = x_mrw.shape
    kept, sizes = rows - first, (np.int32(first), np.int32(rows), np.int32(words))

    def count(counts: Any, *grid: tuple[int, ...]) -> None:
        device.launch("rows.cu", "count_rows", *grid, x_mrw, counts, *sizes)

    def fill(ends: Any, on_j: Any, *grid: tuple[int, ...]) -> None:
        device.launch("rows.cu", "list_rows", *grid, x_mrw, ends, on_j, *sizes)

    return lists(device, models, kept, count, fill)


def lists(
    device: Device, models: int, kept: int, count: Callable[..., None], fill: Callable[..., None]
) -> list[Listed]:
    """Return `kept` samples of each model, whose on-bits two kernels of `rows.cu` count and list.

    count(counts, grid, block) and fill(ends, list, grid, block) launch them.
    """
    warps = min(device.threads, 256) // 32
    grid = (-(-kept // warps), models), (warps * 32,)
    counts = device.xp.zeros(models * kept + 1, np.int64)
    count(counts, *grid)
    ends = device.xp.cumsum(counts)
    offsets = device.to_host(ends)

    def make() -> Any:
        # Not every device has empty arrays.
        on_j = device.xp.empty(max(1, int(offsets[-1])), np.int32)
        if offsets[-1] > 0:
            fill(ends, on_j, *grid)
        return on_j

    return models_of(offsets, OnBits(device, make), models)
