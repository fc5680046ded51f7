"""The samples of a chunk on their way to the card, and what comes back of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends import CellActivity
from htmrun.backends.bits import Bits
from htmrun.backends.cuda.card_bits import on_bits
from htmrun.backends.cuda.device import Device
from htmrun.backends.cuda.memory.outputs import cells_later, columns_later
from htmrun.backends.cuda.memory.rows import Rows
from htmrun.backends.cuda.rows import words_of
from htmrun.backends.plan import Plan

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Chunk:
    """The rows of several models: `lead` from before, the last of them the cells before the
    first sample, then `length` samples. Device arrays as `kernels/temporal_memory.cu` names them;
    `offsets` and `following` are copies on the host.
    """

    device: Device
    samples: Sequence[Bits]
    offsets: I64
    following: I64
    on_j: Any
    offset_mr: Any
    following_mr: Any
    winner_count_mr: Any
    bursting_mr: Any
    active_jw: Any
    winner_jw: Any
    predicted_mtv: Any
    flags_mt: Any
    length: int
    lead: int
    most_winners: int  # of a row before
    most_on: int  # columns of a row

    @staticmethod
    def upload(
        device: Device,
        history: Sequence[Rows],
        samples: Sequence[Bits],
        plans: Sequence[Plan],
    ) -> Chunk:
        """Put each model's samples behind its `history` and hand everything over."""
        length, lead = len(samples[0]), max(len(rows) for rows in history)
        shape = len(history), lead + length
        counts, following = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        pieces: list[Bits] = []
        for m, (rows, bits) in enumerate(zip(history, samples, strict=True)):
            before, behind = rows.columns.offsets, slice(lead - len(rows), lead)
            np.subtract(before[1:], before[:-1], out=counts[m, behind])
            np.subtract(bits.offsets[1:], bits.offsets[:-1], out=counts[m, lead:])
            following[m, behind] = rows.following
            pieces += [rows.columns, bits]
        following[:, lead:] = following[:, lead - 1 : lead] + np.arange(1, length + 1)
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
        offsets = ends[np.arange(shape[0])[:, None] * shape[1] + np.arange(shape[1] + 1)]
        on_j = on_bits(device, pieces)
        flags = np.zeros((shape[0], length), np.uint8)
        for m, plan in enumerate(plans):
            flags[m] = (plan.reset != 0) + 2 * (plan.commit != 0)
        up, zeros = device.xp.asarray, device.xp.zeros
        words = (len(on_j), history[0].active.shape[1])
        active, winners = zeros(words, np.uint32), zeros(words, np.uint32)
        winner_count = np.zeros(shape, np.uint32)
        behind_all = _places(offsets[:, 0], offsets[:, lead] - offsets[:, 0])
        if len(behind_all):
            known = np.concatenate([rows.winners for rows in history])
            winner_count[:, :lead] = _sums(np.bitwise_count(known).sum(1), counts[:, :lead])
            place = up(behind_all)
            active[place] = up(np.concatenate([rows.active for rows in history]))
            winners[place] = up(known)
        return Chunk(
            device=device,
            samples=samples,
            offsets=offsets,
            most_winners=int(winner_count.max()),
            most_on=int(counts.max()),
            following=following,
            on_j=on_j,
            offset_mr=up(offsets),
            following_mr=up(following),
            winner_count_mr=up(winner_count),
            bursting_mr=zeros(shape, np.uint32),
            active_jw=active,
            winner_jw=winners,
            predicted_mtv=zeros((shape[0], length, words_of(samples[0].size)), np.uint32),
            flags_mt=up(flags),
            length=length,
            lead=lead,
        )

    def arguments(self, learn: bool) -> tuple[Any, ...]:
        """Return what the kernel takes of it."""
        sizes = (self.length, self.lead + self.length, self.lead, learn)
        return (
            self.on_j, self.offset_mr, self.following_mr, self.winner_count_mr, self.bursting_mr,
            self.active_jw, self.winner_jw, self.predicted_mtv, self.flags_mt,
            *(np.int32(n) for n in sizes),
        )  # fmt: skip

    def said(self, cells_per_column: int) -> list[CellActivity]:
        """Return what each model says."""
        samples, columns, device = self.length, self.samples[0].size, self.device
        active, winners = (
            cells_later(device, words, self.on_j, self.offset_mr, self.lead, cells_per_column)
            for words in (self.active_jw, self.winner_jw)
        )
        predicted = columns_later(device, self.predicted_mtv)
        bursting = device.to_host(self.bursting_mr)[:, self.lead :].astype(np.int32)
        hits = (np.diff(self.offsets[:, self.lead :], axis=1) - bursting).astype(np.int32)
        cells = columns * cells_per_column
        return [
            CellActivity(
                active=active.bits(cells, samples, m),
                winners=winners.bits(cells, samples, m),
                predicted=predicted.bits(columns, samples, m),
                hits=hits[m],
                bursting=bursting[m],
            )
            for m in range(len(self.samples))
        ]

    def take(self, wanted: Sequence[I64]) -> list[Rows]:
        """Return copies of the wanted rows of each model, all in one transfer."""
        model = np.repeat(np.arange(len(wanted)), [len(rows) for rows in wanted])
        row = np.concatenate(wanted)
        counts = self.offsets[model, row + 1] - self.offsets[model, row]
        place = _places(self.offsets[model, row], counts)
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        following = self.following[model, row]
        on = np.zeros(0, np.int32)
        active = winners = np.zeros((0, self.active_jw.shape[1]), np.uint32)
        if len(place):
            there = self.device.xp.asarray(place)
            on = self.device.to_host(self.on_j[there])
            active = self.device.to_host(self.active_jw[there])
            winners = self.device.to_host(self.winner_jw[there])
        taken, first = [], 0
        for rows in wanted:
            last = first + len(rows)
            low, high = ends[first], ends[last]
            columns = Bits(self.samples[0].size, on[low:high], ends[first : last + 1] - low)
            taken.append(Rows(columns, active[low:high], winners[low:high], following[first:last]))
            first = last
        return taken


def _sums(values: npt.NDArray[np.generic], counts: I64) -> I64:
    """Return the sums of the first `counts[0, 0]` values, of the next, and so on."""
    total = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    ends = np.cumsum(counts.reshape(-1))
    sums: I64 = total[ends] - total[ends - counts.reshape(-1)]
    return sums.reshape(counts.shape)


def _places(starts: I64, counts: I64) -> I64:
    """Return `counts[i]` places from each of `starts[i]` on, one after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts - (ends - counts), counts)
