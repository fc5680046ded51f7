"""The launches of the spatial pooler, one method for each phase.

Grids, blocks and preconditions are those stated at the head of each file in `kernels/`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from htmrun.backends.cuda.chunk_schedule import Schedule
from htmrun.backends.cuda.device import Device
from htmrun.backends.cuda.pooler.neighbours import LocalKernels, NeighbourKernels
from htmrun.backends.cuda.pooler.overlap_kernels import (
    DENSE_SAMPLES,
    SLICED_THREADS,
    SPARSE_WORDS,
    TILE,
    OverlapWay,
)
from htmrun.backends.cuda.pooler.pools import PoolsAsked
from htmrun.backends.cuda.rows import Rows
from htmrun.backends.fixed_point import DUTY_ONE, boost_gain, duty_reciprocal, permanence
from htmrun.backends.parameters import SpatialPoolerParameters

ByInput = Literal["auto", "flipped", "turned"]
"""How a window brings the bits by input in line: bit by bit, or all of them made anew."""
i32, u32, i64, u64 = np.int32, np.uint32, np.int64, np.uint64
_TURNED_COLUMNS, _TURNED_WORDS = 8, 32
TURNING_SHARE, TURNING_BYTES = 0.25, 1 << 24
"""Where so many of all columns may learn in a window, and the bits by input are more than a cache
keeps, they are made anew."""
_PRODUCTS = {
    "tiled": ("sp_overlap_tiled.cu", "sp_overlap_tiled", 256),
    "bits": ("sp_overlap_tensor.cu", "sp_overlap_bits", 128),
    "bytes": ("sp_overlap_tensor.cu", "sp_overlap_bytes", 128),
}


class Kernels(NeighbourKernels):
    """Everything that changes the state of several spatial poolers on a device."""

    def __init__(
        self,
        parameters: SpatialPoolerParameters,
        input_shape: tuple[int, ...],
        seeds: Sequence[int],
        device: Device,
        local_kernels: LocalKernels,
        by_input: ByInput = "auto",
        pools: PoolsAsked = "auto",
    ) -> None:
        super().__init__(parameters, input_shape, seeds, device, local_kernels, pools)
        self._how_by_input = by_input

    def no_winners(self, rows: int) -> Any:
        """Return packed winners of `rows` samples, all zero, uint32 (models, rows, words)."""
        return self.device.xp.zeros((self.models, rows, self.column_words), np.uint32)

    def overlap(self, rows: Rows, start: int, stop: int, boosted: bool, way: OverlapWay) -> None:
        """Compute overlaps and score keys of rows start..stop into the scratch arrays."""
        p, samples = self.parameters, stop - start
        needed = self.models * samples * p.columns
        if len(self._keys) < needed:
            self._overlaps = self.device.xp.empty(needed, np.uint32)
            self._keys = self.device.xp.empty(needed, np.uint32)
        results = (self._boost, self._overlaps, self._keys, i32(start), i32(samples))
        sizes = (i32(rows.rows), i32(p.columns), i32(self.words))
        rule = (u32(p.stimulus_threshold), i32(boosted))
        if way in ("sparse", "sliced"):
            file, words, threads = "spatial_pooler.cu", SPARSE_WORDS, self._counting_threads(rows)
            if way == "sliced":
                threads = min(SLICED_THREADS, self.device.threads, -(-self.column_words // 32) * 32)
                file, words = "sp_overlap_sliced.cu", threads
            blocks = (-(-self.column_words // words), self.models, samples)
            self.device.launch(
                file, f"sp_overlap_{way}", blocks, (threads,), self._by_input, rows.on_j,
                rows.offset_mr, *results, *sizes, i32(self.column_words), *rule,
            )  # fmt: skip
        elif way == "dense":
            blocks = (self._blocks_of_warps(p.columns), self.models, -(-samples // DENSE_SAMPLES))
            self._launch("sp_overlap", blocks, self._connected, rows.x_mrw, *results, *sizes, *rule)
        else:
            file, name, threads = _PRODUCTS[way]
            tiles = (-(-p.columns // TILE), self.models, -(-samples // TILE))
            self.device.launch(
                file, name, tiles, (threads,), self._connected, rows.x_mrw, *results, *sizes, *rule
            )

    def last_overlaps(self, samples: int) -> npt.NDArray[np.int32]:
        """Return the overlaps of the last launch of `samples`, int32 (models, samples, columns)."""
        shape = (self.models, samples, self.parameters.columns)
        host = self.device.to_host(self._overlaps[: math.prod(shape)])
        return host.reshape(shape).astype(np.int32)

    def select(self, won: Any, start: int, stop: int) -> None:
        """Write the winners of the rows start..stop, whose keys are in the scratch array."""
        p = self.parameters
        keys = (self._keys, won)
        where = (i32(start), i32(stop - start), i32(won.shape[1]))
        if p.inhibition == "global":
            kind, threads = self._selecting()
            self.device.launch(
                "spatial_pooler.cu", f"sp_select_{kind}", (1, self.models, stop - start),
                (threads,), *keys, *where, i32(p.columns), i32(self.column_words),
                u32(p.active_columns),
            )  # fmt: skip
        else:
            self._select_locally(keys, where, stop - start)

    def count_reached(self, samples: int) -> None:
        """Note which overlaps of the last launch reached the threshold, if anyone will ask."""
        p = self.parameters
        if p.weak_bump > 0:
            self._launch(
                "sp_count_reached", (self._blocks(), self.models), self._overlaps, self._reached,
                i32(samples), i32(p.columns), u32(p.stimulus_threshold),
            )  # fmt: skip

    def commit(self, rows: Rows, won: Any, schedule: Schedule, t: int) -> None:
        """Apply the windows that end after sample `t` of the chunk."""
        p, stop_row = self.parameters, i32(schedule.lead + t + 1)
        bump, sizes = permanence(p.weak_bump), (i32(p.columns), i32(self.words))
        self._launch(
            "sp_tally", (self._blocks_of_warps(self.column_words), self.models), won,
            schedule.window, self._active_duty, self._overlap_duty, self._reached, self._learners,
            schedule.learner_count, i32(t), stop_row, i32(rows.rows), i32(p.columns),
            i32(self.column_words), i32(p.weak_bump > 0), u64(duty_reciprocal(p.duty_period)),
            u32(DUTY_ONE // p.duty_period), file="sp_learn.cu",
        )  # fmt: skip
        synapses, runs = self._synapses(), self._runs()
        most = p.active_columns if p.inhibition == "global" else p.columns
        learners = min(p.columns, most * int(schedule.most_window[t]))
        turning = self._turning(learners)
        compact = self._pools.entry > 0
        kernel = ("sp_adapt", "sp_adapt_near", "sp_adapt_far")[self._pools.entry]
        self.device.launch(
            "sp_learn.cu", kernel, (learners, self.models), (self._adapting_threads(),),
            *(synapses if compact else (self._permanences, self._connected, self._by_input)),
            rows.x_mrw, won, schedule.window, self._learners, schedule.learner_count,
            i32(t), stop_row, i32(rows.rows), *sizes, i32(self.column_words), *runs[:compact],
            i32(permanence(p.increment)), i32(permanence(p.decrement)),
            i32(permanence(p.connected)), i32(not turning),
        )  # fmt: skip
        if p.push > 0:
            self._launch(
                "sp_push", (self._blocks_of_warps(learners), self.models), *synapses, won,
                schedule.window, self._learners, schedule.learner_count, i32(t), stop_row,
                i32(rows.rows), *sizes, i32(self.column_words), *runs, i32(permanence(p.push)),
                i32(permanence(p.inflection)), i32(permanence(p.connected)), i32(not turning),
                file="sp_learn.cu",
            )  # fmt: skip
        if turning:
            across = -(-self.column_words // _TURNED_COLUMNS)
            self.device.launch(
                "sp_learn.cu", "sp_turn",
                (across, self.models, -(-self.words // _TURNED_WORDS)), (_TURNED_COLUMNS * 32,),
                self._connected, self._by_input, schedule.window, i32(t), *sizes,
                i32(self.column_words),
            )  # fmt: skip
        if p.weak_bump > 0:
            self._launch(
                "sp_bump", (self._blocks_of_warps(p.columns), self.models), *synapses,
                self._overlap_duty, self._min_overlap_duty, schedule.window, i32(t), *sizes,
                i32(self.column_words), *runs, i32(bump), i32(permanence(p.connected)),
                file="sp_learn.cu",
            )  # fmt: skip

    def boost(self, schedule: Schedule, t: int) -> None:
        """Recompute boost factors and minimum duty cycles of the models that boost after `t`."""
        p = self.parameters
        target = (self._boost, self._min_overlap_duty, self._active_duty)
        gain, share = i64(boost_gain(p.boost_strength)), u32(int(p.weak_fraction * 65536))
        if not p.boosts_locally:
            self.device.launch(
                "spatial_pooler.cu", "sp_most_overlap_duty", (1, self.models),
                (self.device.select_threads,), self._overlap_duty, schedule.boost, schedule.most,
                i32(t), i32(p.columns),
            )  # fmt: skip
            self._launch(
                "sp_boost_global", (self._blocks(), self.models), *target, schedule.most,
                schedule.boost, i32(t), i32(p.columns),
                i64(p.active_columns * DUTY_ONE // p.columns), gain, share,
            )  # fmt: skip
        else:
            self._boost_locally(*target, self._overlap_duty, schedule.boost, t, gain, share)

    def _blocks_of_warps(self, items: int) -> int:
        """Return the blocks of a kernel with a warp for each of `items`."""
        return -(-items * 32 // self.device.threads)

    def _turning(self, learners: int) -> bool:
        """Say whether a window of so many learners, at most, makes the bits by input anew."""
        if self._how_by_input != "auto":
            return self._how_by_input == "turned"
        many = learners >= self.parameters.columns * TURNING_SHARE
        return many and int(self._by_input.nbytes) >= TURNING_BYTES

    def _selecting(self) -> tuple[str, int]:
        """Return which kernel selects winners globally, and its block."""
        columns, most = self.parameters.columns, self.device.select_threads
        for held in (4, 16):
            threads = -(-columns // (held * 32)) * 32
            if threads <= most:
                return str(held), threads
        return "any", most

    def _adapting_threads(self) -> int:
        """Return the threads that a column learns with, 32 synapses each."""
        return min(self.device.threads, -(-self._pools.steps // 32) * 32)

    def _counting_threads(self, rows: Rows) -> int:
        """Return the block of a kernel that gives a lane one on-bit of a sample at a time."""
        most = int(rows.most_on.max(initial=1))
        return min(self.device.threads, max(1, -(-most // 32)) * 32)
