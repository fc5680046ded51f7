"""The launches of online learning, two a sample: `sp_online.cu` and `sp_online_listed.cu`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np

from htmrun.backends.cuda.chunk_schedule import Schedule
from htmrun.backends.cuda.device import Device
from htmrun.backends.cuda.footprint import BINS, teams
from htmrun.backends.cuda.pooler.kernels import ByInput, Kernels
from htmrun.backends.cuda.pooler.neighbours import LocalKernels
from htmrun.backends.cuda.pooler.overlap_kernels import SPARSE_WORDS
from htmrun.backends.cuda.pooler.pools import PoolsAsked
from htmrun.backends.cuda.rows import Rows
from htmrun.backends.fixed_point import DUTY_ONE, boost_gain, duty_reciprocal, permanence
from htmrun.backends.parameters import SpatialPoolerParameters

i32, u32, i64, u64 = np.int32, np.uint32, np.int64, np.uint64

OnlineWay = Literal["alone", "listed", "deferred", "ahead"]
"""How a sample's winners are found: by one block "alone", or "listed" by many; "deferred" also
applies flips of bits by input one launch later, while the next winners are listed; "ahead" besides
has permanences fetched into the card's cache as soon as a column is known to have won."""

LISTED_KEYS = 4
FLIPPING = 128
"""Blocks that apply flips, of all models together: as many as find room beside those that list."""
AHEAD_BYTES = 1 << 24
"""So much is fetched ahead at most: a third of the cache of an H200, which keeps more than that."""


class OnlineKernels(Kernels):
    """All kernels of a group; `online` says how it learns online."""

    def __init__(
        self,
        parameters: SpatialPoolerParameters,
        input_shape: tuple[int, ...],
        seeds: Sequence[int],
        device: Device,
        local_kernels: LocalKernels,
        by_input: ByInput = "auto",
        online: OnlineWay = "ahead",
        pools: PoolsAsked = "auto",
    ) -> None:
        # Where one block selects alone, whole rows learn.
        asked = "dense" if online == "alone" and pools == "auto" else pools
        if online == "alone" and asked == "compact":
            raise ValueError("pools 'compact' with online 'alone', expected another way")
        super().__init__(parameters, input_shape, seeds, device, local_kernels, by_input, asked)
        self._online_way = online
        self._lists: tuple[Any, ...] = ()

    def part(self, first: int, last: int) -> Self:
        """Return models first..last over the same memory, with scratch arrays of their own."""
        part = super().part(first, last)
        part._lists = ()
        return part

    def scratch(self) -> tuple[Any, ...]:
        """Return the arrays that launches use meanwhile; larger ones replace them when needed."""
        return (*super().scratch(), *self._lists)

    def online(self, rows: Rows, won: Any, schedule: Schedule) -> None:
        """Run all samples of a chunk whose windows are 1, two launches each."""
        lead = schedule.lead
        self.overlap(rows, lead, lead + 1, self.parameters.boost_strength > 0, "sparse")
        if self._online_way == "alone":
            self._alone(rows, won, schedule)
        else:
            self._listed(rows, won, schedule)

    def _alone(self, rows: Rows, won: Any, schedule: Schedule) -> None:
        p, samples, sizes = self.parameters, len(schedule.commits), self._sizes(rows)
        kind, threads = self._selecting()
        team, block = self._team(rows)
        adapting = -(-p.active_columns // (block // team))
        counting = -(-self.column_words // SPARSE_WORDS)
        self.device.launch(
            "sp_online.cu", "sp_online_most", (1, self.models), (threads,), self._overlap_duty,
            self._most, i32(p.columns),
        )  # fmt: skip
        for t in range(samples):
            row, more = i32(schedule.lead + t), i32(t + 1 < samples)
            self.device.launch(
                "sp_online.cu", f"sp_online_select_{kind}", (1, self.models), (threads,),
                self._keys, won, self._learners, schedule.learner_count, i32(t), row, *sizes,
                i32(self.column_words), u32(p.active_columns),
            )  # fmt: skip
            self.device.launch(
                "sp_online.cu", "sp_online_adapt", (adapting + counting, self.models), (block,),
                self._permanences, self._connected, self._by_input, rows.x_mrw,
                rows.on_j, rows.offset_mr, won, schedule.window, schedule.boost, self._learners,
                schedule.learner_count, self._active_duty, self._min_overlap_duty, self._boost,
                self._most, self._keys, i32(t), row, *sizes, *self._rules(),
                i32(adapting), i32(team), more,
            )  # fmt: skip

    def _listed(self, rows: Rows, won: Any, schedule: Schedule) -> None:
        p, samples, sizes = self.parameters, len(schedule.commits), self._sizes(rows)
        wanted, boosted = u32(p.active_columns), i32(p.boost_strength > 0)
        listed_at_most = teams(p.columns, p.active_columns)
        threads = min(self.device.select_threads, -(-p.columns // (LISTED_KEYS * 32)) * 32)
        listing = -(-p.columns // (LISTED_KEYS * threads))
        kind = "16" if p.columns <= 16 * threads else "any"
        deferred = self._online_way in ("deferred", "ahead")
        row_bytes = int(self._permanences[0, 0].nbytes)
        ahead = AHEAD_BYTES // (row_bytes * self.models) if self._online_way == "ahead" else 0
        parts = p.active_columns * -(-self.words // 32)
        flipping = min(max(1, FLIPPING // self.models), -(-parts * 32 // threads))
        team, block = self._team(rows)
        adapting = -(-listed_at_most // (block // team))
        counting = -(-self.column_words // SPARSE_WORDS)
        counts, lists, tied, flips, flipped = self._list_arrays()
        blocks = listing + (flipping if deferred else 0), self.models
        kernel = "sp_online_learn"
        synapses: tuple[Any, ...] = self._permanences, self._connected, self._by_input
        runs: tuple[Any, ...] = ()
        if self._pools.entry:
            kernel, synapses, runs = f"{kernel}_pools", self._synapses(), self._runs()
        self.device.launch(
            "sp_online_listed.cu", "sp_online_begin", (1, self.models), (threads,),
            self._overlap_duty, self._most, self._keys, counts, lists, i32(p.columns), boosted,
        )  # fmt: skip
        for t in range(samples):
            row, more = i32(schedule.lead + t), t + 1 < samples
            self.device.launch(
                "sp_online_listed.cu", f"sp_online_list_{kind}", blocks, (threads,),
                self._keys, counts, lists, won, self._learners, tied, self._by_input,
                self._permanences, schedule.window, flips, flipped, i32(t), row, *sizes,
                i32(self.words), i32(self.column_words), wanted, boosted, i32(listed_at_most),
                i32(listing), i32(deferred and t > 0), i32(ahead), i32(row_bytes),
            )  # fmt: skip
            self.device.launch(
                "sp_online_listed.cu", kernel, (counting + adapting, self.models),
                (block,), *synapses, rows.x_mrw,
                rows.on_j, rows.offset_mr, won, schedule.window, schedule.boost, self._learners,
                tied, lists, counts, flips, flipped, self._active_duty, self._min_overlap_duty,
                self._boost, self._most, self._keys, i32(t), row, *sizes, *self._rules(), wanted,
                i32(listed_at_most), i32(team), i32(more), i32(deferred and more), *runs,
            )  # fmt: skip

    def _list_arrays(self) -> tuple[Any, ...]:
        """Return counts of bins, lengths of lists, tied columns, flips, and columns they are of."""
        if not self._lists:
            p, xp, models = self.parameters, self.device.xp, self.models
            most = teams(p.columns, p.active_columns)
            self._lists = (
                xp.empty((models, 2, BINS), np.uint32), xp.empty((models, 2, 2), np.uint32),
                xp.empty((models, most), np.uint64),
                # Of compact pools single bits are noted, so that rows must be zero before.
                xp.zeros((models, p.active_columns, self.words), np.uint32),
                xp.empty((models, p.active_columns), np.int32),
            )  # fmt: skip
        return self._lists

    def _sizes(self, rows: Rows) -> tuple[Any, ...]:
        return i32(rows.rows), i32(self.parameters.columns)

    def _team(self, rows: Rows) -> tuple[int, int]:
        """Return the threads that a column learns with, and those of a block: for many teams."""
        team = self._adapting_threads()
        return team, team * max(1, self._counting_threads(rows) // team)

    def _rules(self) -> tuple[Any, ...]:
        """Return what a column learns by, and how it is ready for the next sample."""
        p = self.parameters
        return (
            i32(self.words), i32(self.column_words), i32(permanence(p.increment)),
            i32(permanence(p.decrement)), i32(permanence(p.connected)), u32(p.stimulus_threshold),
            i32(p.boost_strength > 0), u64(duty_reciprocal(p.duty_period)),
            u32(DUTY_ONE // p.duty_period), i64(p.active_columns * DUTY_ONE // p.columns),
            i64(boost_gain(p.boost_strength)), u32(int(p.weak_fraction * 65536)),
        )  # fmt: skip
