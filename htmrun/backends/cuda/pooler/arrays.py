"""The arrays of spatial poolers on a device: how they begin, and what leaves and enters them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, Self

import numpy as np

from htmrun.backends import State, rng
from htmrun.backends.cuda.device import Device
from htmrun.backends.cuda.pooler import grid, layout
from htmrun.backends.cuda.pooler import pools as how
from htmrun.backends.cuda.pooler.pools import PoolLayout, PoolsAsked
from htmrun.backends.cuda.rows import words_of
from htmrun.backends.fixed_point import NO_SYNAPSE, permanence
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.sp_contract import check_shape

i32, u64 = np.int32, np.uint64
OF_A_MODEL = (
    "_permanences", "_pool_inputs", "_pool_bases", "_connected", "_by_input", "_active_duty",
    "_overlap_duty", "_min_overlap_duty", "_boost", "_reached", "_learners", "_most", "_places",
    "_radius", "_boost_radius",
)  # fmt: skip


class PoolerArrays:
    """The state of several spatial poolers of equal shape on a device, and scratch arrays."""

    def __init__(
        self,
        parameters: SpatialPoolerParameters,
        input_shape: tuple[int, ...],
        seeds: Sequence[int],
        device: Device,
        pools: PoolsAsked = "auto",
    ) -> None:
        p = self.parameters = parameters
        self.device, self.models = device, len(seeds)
        self.inputs = check_shape(p, input_shape)
        self.words, self.column_words = words_of(self.inputs), words_of(p.columns)
        xp, shape = device.xp, (self.models, p.columns)
        self._connected = xp.empty((*shape, self.words), np.uint32)
        self._by_input = xp.empty((self.models, self.words * 32, self.column_words), np.uint32)
        self._active_duty = xp.zeros(shape, np.uint32)
        self._overlap_duty = xp.zeros(shape, np.uint32)
        self._min_overlap_duty = xp.zeros(shape, np.uint32)
        self._boost = xp.ones(shape, np.float32)
        self._reached = xp.zeros(shape, np.uint32)
        self._learners = xp.zeros(shape, np.int32)
        self._overlaps = xp.empty(0, np.uint32)
        self._keys = xp.empty(0, np.uint32)
        self._tied = xp.empty(0, np.uint32)
        self._most = xp.empty(self.models, np.uint32)
        # Of local inhibition only: how many may win around each column, and how far around; of
        # local boosting: how far that looks.
        local = p.columns if p.inhibition == "local" else 0
        self._places = xp.zeros((self.models, local), np.int32)
        self._radius, self._boost_radius = (xp.zeros(self.models, np.int32) for _ in range(2))
        self._start(input_shape, seeds, pools)

    def part(self, first: int, last: int) -> Self:
        """Return models first..last over the same memory, with scratch arrays of their own."""
        part = copy(self)
        part.models = last - first
        for name in OF_A_MODEL:
            setattr(part, name, getattr(self, name)[first:last])
        part._overlaps, part._keys = self._overlaps[:0], self._keys[:0]
        part._tied = self._tied[:0]
        return part

    def scratch(self) -> tuple[Any, ...]:
        """Return the arrays that launches use meanwhile; larger ones replace them when needed."""
        return self._overlaps, self._keys, self._tied

    def state(self, model: int) -> State:
        """Return one model's arrays in canonical form, without the pending samples."""
        host = self.device.to_host
        rows = host(self._permanences[model])
        if self._pools.entry:
            lists = host(self._pool_inputs[model]), host(self._pool_bases[model])
            rows = how.whole(rows, *lists, self._pools)
        else:
            rows = layout.in_order(rows)
        return {
            "permanences": rows[:, : self.inputs].copy(),
            "active_duty": host(self._active_duty[model]).copy(),
            "overlap_duty": host(self._overlap_duty[model]).copy(),
            "min_overlap_duty": host(self._min_overlap_duty[model]).copy(),
            "boost": host(self._boost[model]).copy(),
            "pending_reached": host(self._reached[model]).astype(np.int64),
        }

    def load(self, model: int, state: State) -> None:
        """Take over one model's canonical arrays; `state` has been checked.

        Raises ValueError, and changes nothing, where pools are compact and these do not fit.
        """
        xp = self.device.xp
        padded = np.full((self.parameters.columns, self.words * 32), NO_SYNAPSE, np.int16)
        padded[:, : self.inputs] = state["permanences"]
        if self._pools.entry:
            rows, inputs, bases = how.packed(padded, self._pools)
            self._pool_inputs[model] = xp.asarray(inputs)
            self._pool_bases[model] = xp.asarray(bases)
        else:
            rows = layout.interleaved(padded)
        self._permanences[model] = xp.asarray(rows)
        self._active_duty[model] = xp.asarray(state["active_duty"])
        self._overlap_duty[model] = xp.asarray(state["overlap_duty"])
        self._min_overlap_duty[model] = xp.asarray(state["min_overlap_duty"])
        self._boost[model] = xp.asarray(state["boost"])
        self._reached[model] = xp.asarray(state["pending_reached"].astype(np.uint32))
        self._connect()

    def _start(self, input_shape: tuple[int, ...], seeds: Sequence[int], asked: PoolsAsked) -> None:
        sizes = how.sizes(self.parameters, input_shape)
        choice = how.layouts(asked, self.parameters, input_shape, int(sizes.max()))
        self._pools = how.first_that_fits(
            choice, lambda pools: self._draw(input_shape, seeds, sizes, pools)
        )
        self._connect()

    def _draw(
        self, input_shape: tuple[int, ...], seeds: Sequence[int], sizes: Any, pools: PoolLayout
    ) -> bool:
        """Make room for permanences and draw them; say whether they fit."""
        p, xp = self.parameters, self.device.xp
        shape = (self.models, p.columns)
        self._permanences = xp.empty((*shape, pools.places), np.int16)
        # Kernels are handed both lists in any case, and do not look at them where rows are whole.
        lists = shape if pools.entry else (self.models,)
        self._pool_inputs = xp.empty((*lists, max(1, pools.places * pools.entry)), np.uint8)
        self._pool_bases = xp.empty((*lists, max(1, pools.runs)), np.uint16)
        if not pools.entry:
            self._draw_rows(self._permanences, 0, input_shape, seeds, sizes)
            return True
        step = max(1, how.DRAWN // (self.models * self.words * 64))
        misfit = xp.zeros(1, np.uint32)
        for first in range(0, p.columns, step):
            rows = min(step, p.columns - first)
            drawn = xp.empty((self.models, rows, self.words * 32), np.int16)
            self._draw_rows(drawn, first, input_shape, seeds, sizes)
            self.device.launch(
                "sp_start.cu", "sp_pack", (rows, self.models), (32,), drawn, self._permanences,
                self._pool_inputs, self._pool_bases, misfit, i32(first), i32(p.columns),
                i32(self.words), i32(pools.runs), i32(pools.entry),
            )  # fmt: skip
        return not self.device.to_host(misfit)[0]

    def _draw_rows(
        self, rows: Any, first: int, input_shape: tuple[int, ...], seeds: Sequence[int], sizes: Any
    ) -> None:
        """Draw whole rows of the columns from `first` on, int16 (models, columns, words * 32)."""
        p, asarray = self.parameters, self.device.xp.asarray
        inputs: tuple[int, ...] = (self.inputs,)
        columns: tuple[int, ...] = (p.columns,)
        if p.potential_radius is not None:
            assert p.column_shape is not None
            inputs, columns = input_shape, p.column_shape
        radius = -1 if p.potential_radius is None else min(p.potential_radius, max(inputs))
        keys = (
            np.array([rng.key(s, purpose) for s in seeds], np.uint64)
            for purpose in (rng.Purpose.SP_POOL, rng.Purpose.SP_PERMANENCE)
        )
        self.device.launch(
            "sp_start.cu", "sp_start", (rows.shape[1], self.models), (self.device.threads,),
            rows, *(asarray(k) for k in keys), asarray(sizes.astype(np.int32)),
            asarray(grid.four(inputs, "input_shape")), asarray(grid.four(columns, "column_shape")),
            i32(radius), i32(p.wrap), i32(self.inputs), i32(first), i32(self.words),
            i32(permanence(p.connected)), i32(permanence(p.initial_spread)),
            u64(int(p.initial_connected * 2**32)),
        )  # fmt: skip

    def _connect(self) -> None:
        self._by_input[...] = 0
        p = self.parameters
        blocks, threads = -(-p.columns * 32 // self.device.threads), self.device.threads
        self.device.launch(
            "sp_start.cu", "sp_connect", (blocks, self.models), (threads,), *self._synapses(),
            i32(p.columns), i32(self.words), i32(self.column_words), *self._runs(),
            i32(permanence(p.connected)),
        )  # fmt: skip

    def _synapses(self) -> tuple[Any, ...]:
        """Return the arrays of permanences and of connected bits, as most kernels take them."""
        lists = self._pool_inputs, self._pool_bases
        return self._permanences, *lists, self._connected, self._by_input

    def _runs(self) -> tuple[np.int32, np.int32]:
        """Return what kernels are told of the layout of pools."""
        return i32(self._pools.runs), i32(self._pools.entry)
