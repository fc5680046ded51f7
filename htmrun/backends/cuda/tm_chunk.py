"""The samples of a chunk on their way to the card and what a temporal memory says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends import CellActivity
from htmrun.backends.cuda.device import Device
from htmrun.backends.cuda.rows import after_gap, words_of
from htmrun.backends.cuda.tm_rows import Rows, cells_of
from htmrun.bits import Bits
from htmrun.plan import Plan


@dataclass(frozen=True)
class Chunk:
    """The rows of several models: `lead` from before, the last of them the cells before the
    first sample, then `length` samples. Device arrays as `kernels/temporal_memory.cu` names them.
    """

    on_j: Any
    offset_mr: Any
    following_mr: Any
    winner_count_mr: Any
    active_jw: Any
    winner_jw: Any
    predicted_mtv: Any
    flags_mt: Any
    length: int
    lead: int
    rows: list[Rows]  # on the host; cells of the samples are not known yet

    @staticmethod
    def upload(
        device: Device,
        history: Sequence[Rows],
        samples: Sequence[Bits],
        plans: Sequence[Plan],
    ) -> Chunk:
        """Put each model's samples behind its `history` and hand everything over."""
        length, lead = len(samples[0]), max(len(rows) for rows in history)
        rows = [_behind(h, lead, bits) for h, bits in zip(history, samples, strict=True)]
        starts = np.cumsum([0] + [len(r.active) for r in rows])
        # A list without entries is one unused entry: not every device has empty arrays.
        spare = np.zeros((1, rows[0].active.shape[1]), np.uint32)
        flags = [(p.reset != 0) + 2 * (p.commit != 0) for p in plans]
        up, xp = device.xp.asarray, device.xp
        offsets = [r.columns.offsets + s for r, s in zip(rows, starts, strict=False)]
        return Chunk(
            on_j=up(np.concatenate([*(r.columns.indices for r in rows), np.zeros(1, np.int32)])),
            offset_mr=up(np.stack(offsets)),
            following_mr=up(np.stack([r.following for r in rows])),
            winner_count_mr=up(np.stack([r.winner_counts() for r in rows])),
            active_jw=up(np.concatenate([*(r.active for r in rows), spare])),
            winner_jw=up(np.concatenate([*(r.winners for r in rows), spare])),
            predicted_mtv=xp.empty((len(rows), length, words_of(samples[0].size)), np.uint32),
            flags_mt=up(np.stack(flags).astype(np.uint8)),
            length=length,
            lead=lead,
            rows=rows,
        )

    def arguments(self, learn: bool) -> tuple[Any, ...]:
        """Return what the kernel takes of it."""
        sizes = (self.length, self.lead + self.length, self.lead, learn)
        return (
            self.on_j, self.offset_mr, self.following_mr, self.winner_count_mr, self.active_jw,
            self.winner_jw, self.predicted_mtv, self.flags_mt, *(np.int32(n) for n in sizes),
        )  # fmt: skip

    def download(self, device: Device, cells_per_column: int) -> tuple[list[Rows], list[Any]]:
        """Return each model's rows, those from before included, and its activity."""
        active, winners = device.to_host(self.active_jw), device.to_host(self.winner_jw)
        predicted = device.to_host(self.predicted_mtv)
        done, said, start = [], [], 0
        for m, rows in enumerate(self.rows):
            stop = start + len(rows.active)
            cells = Rows(rows.columns, active[start:stop], winners[start:stop], rows.following)
            done.append(cells)
            new = cells.slice(self.lead, self.lead + self.length)
            said.append(_activity(new, predicted[m], cells_per_column))
            start = stop
        return done, said


def _behind(history: Rows, lead: int, samples: Bits) -> Rows:
    """Return `lead` rows, `history` at their end, and rows for `samples` without cells."""
    empty = np.zeros((len(samples.indices), history.active.shape[1]), np.uint32)
    numbers = history.following[-1] + 1 + np.arange(len(samples))
    gap = lead - len(history)
    return Rows(
        Bits.concatenate([after_gap(history.columns, gap), samples]),
        np.concatenate([history.active, empty]),
        np.concatenate([history.winners, empty]),
        np.concatenate([np.zeros(gap, np.int64), history.following, numbers]),
    )


def _activity(rows: Rows, predicted: npt.NDArray[np.uint32], cells_per_column: int) -> CellActivity:
    columns = rows.columns
    sample = np.repeat(np.arange(len(rows)), columns.counts())
    bit = (columns.indices % 32).astype(np.uint32)
    hit = predicted[sample, columns.indices // 32] >> bit & 1
    hits = np.bincount(sample, weights=hit, minlength=len(rows)).astype(np.int32)
    return CellActivity(
        cells_of(columns, rows.active, cells_per_column),
        cells_of(columns, rows.winners, cells_per_column),
        _set_bits(predicted, columns.size),
        hits,
        (columns.counts() - hits).astype(np.int32),
    )


def _set_bits(words: npt.NDArray[np.uint32], size: int) -> Bits:
    """Return the bits of packed rows that are hardly ever set, uint32 (T, words)."""
    row, word = np.nonzero(words)
    octets = np.ascontiguousarray(words[row, word], "<u4").view(np.uint8).reshape(-1, 4)
    place, bit = np.nonzero(np.unpackbits(octets, axis=1, bitorder="little"))
    ends = np.cumsum(np.bincount(row[place], minlength=len(words)), dtype=np.int64)
    indices = (word[place] * 32 + bit).astype(np.int32)
    return Bits(size, indices, np.concatenate([np.zeros(1, np.int64), ends]))
