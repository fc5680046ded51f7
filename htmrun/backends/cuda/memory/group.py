"""Temporal memories of equal parameters, one for each seed, all in the same launches.

Every model has its own segments, cells and schedule, and ends as it would alone. A chunk
runs on the device from its first sample to its last; the host looks at it again only if an
array has become too short, and then the models concerned go on where they stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy

import numpy as np

from htmrun.backends import CellActivity, State, tm_contract
from htmrun.backends.bits import Bits
from htmrun.backends.cuda.card_bits import lies_on
from htmrun.backends.cuda.device import Device, cuda_device
from htmrun.backends.cuda.memory import arrays as tm_arrays
from htmrun.backends.cuda.memory import transfer
from htmrun.backends.cuda.memory.chunk import Chunk
from htmrun.backends.cuda.memory.rows import Rows, rows_of
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.backends.plan import Flags, Plan

CHUNK = 1024
"""Samples uploaded at a time, at most."""

CHUNK_WORDS = 1 << 24
"""Words of cells uploaded at a time, about; keeps chunks of dense samples or many models short."""


class TemporalMemoryGroup:
    """Temporal memories over `columns` columns, one for each of `seeds`.

    `shared_masks=False` keeps masks of cells out of shared memory, which cannot be seen in a
    result. Raises `UserError` where there is no CUDA device, if the cells cannot be numbered, and
    when the device has no room.
    """

    def __init__(
        self,
        parameters: TemporalMemoryParameters,
        columns: int,
        seeds: Sequence[int],
        device: Device | None = None,
        *,
        shared_masks: bool = True,
    ) -> None:
        self.parameters, self.columns, self.models = parameters, columns, len(seeds)
        self._device = device or cuda_device()
        self._first = 0
        self._arrays = tm_arrays.Arrays(parameters, columns, seeds, self._device, shared_masks)
        cells = self._arrays.cells
        none = Bits.from_rows(cells, [[]])
        first = rows_of(none, none, np.zeros(1, np.int64), parameters.cells_per_column)
        # The rows before the samples with pending events, then the last row.
        self._history = [first] * self.models

    def part(self, first: int, last: int) -> TemporalMemoryGroup:
        """Return models first..last as a group over the same memory."""
        part = copy(self)
        part.models, part._first = last - first, self._first + first
        return part

    def run(
        self, samples: Sequence[Bits], plans: Sequence[Plan], learn: bool = True
    ) -> list[CellActivity]:
        """Predict, emit events and commit as `TemporalMemory.run` does, for each model its own."""
        length = self._check(samples)
        for plan in plans:
            if len(plan) != length:
                raise ValueError(f"plan of {len(plan)} samples for {length} samples")
        learn = learn and self.parameters.learn
        parts = []
        for a, b in self._chunks(samples, length):
            cut = [p.slice(a, b) for p in plans]
            chunk, scalars = self._advance(self._kept(), _cut(samples, a, b, length), cut, learn)
            self._keep(chunk, scalars)
            parts.append(chunk.said(self.parameters.cells_per_column))
        return self._joined(parts)

    def compute(self, samples: Sequence[Bits], resets: Sequence[Flags]) -> list[CellActivity]:
        """Return what `run` would say with frozen segments; no model changes."""
        length = self._check(samples)
        for reset in resets:
            if len(reset) != length:
                raise ValueError(f"{len(reset)} reset flags for {length} samples")
        none = np.zeros(length, np.uint8)
        history, parts = self._kept(), []
        for a, b in self._chunks(samples, length):
            cut = [Plan(reset, none, none).slice(a, b) for reset in resets]
            chunk, _ = self._advance(history, _cut(samples, a, b, length), cut, False)
            if b < length:
                history = chunk.take([np.array([chunk.lead + chunk.length - 1])] * self.models)
            parts.append(chunk.said(self.parameters.cells_per_column))
        return self._joined(parts)

    def counters(self, model: int) -> dict[str, int]:
        """Return one model's live segments and synapses, and what happened to them so far."""
        scalars = self._device.to_host(self._arrays.scalars[self._first + model])
        counters = scalars[: len(tm_contract.COUNTERS)]
        named = dict(zip(tm_contract.COUNTERS, counters.tolist(), strict=True))
        segments = named["segments_created"] - named["segments_destroyed"]
        synapses = named["synapses_created"] - named["synapses_destroyed"]
        return tm_contract.named(counters, segments, synapses)

    @property
    def nbytes(self) -> int:
        """Bytes on the device that outlive a call, slack included."""
        return self._arrays.nbytes

    def state(self, model: int) -> State:
        """Return one model's canonical state; names, dtypes and orders: `tm_contract.DTYPES`."""
        place = self._first + model
        return transfer.state(self._arrays, place, self._history[place])

    def load(self, model: int, state: State) -> None:
        """Take over what `state(model)` returned; raises UserError for anything else."""
        tm_contract.check(state, self.parameters, self.columns)
        place = self._first + model
        self._history[place] = transfer.load(self._arrays, place, state)

    # A chunk

    def _advance(
        self,
        history: Sequence[Rows],
        samples: Sequence[Bits],
        plans: Sequence[Plan],
        learn: bool,
    ) -> tuple[Chunk, np.ndarray]:
        """Run a chunk, whose rows are `history` first; return it and the scalars after it."""
        per_column = self.parameters.cells_per_column
        chunk = Chunk.upload(self._device, history, samples, plans)
        winners = max(chunk.most_winners, chunk.most_on * per_column)
        self._arrays.reserve(snapshots=chunk.lead + chunk.length, winners=winners)
        return chunk, self._launch_until_done(chunk, learn)

    def _keep(self, chunk: Chunk, scalars: np.ndarray) -> None:
        """Keep of all rows those that pending events refer to, and the last."""
        first, last = self._first, chunk.lead + chunk.length - 1
        counts = scalars[:, tm_arrays.SNAPSHOTS]
        wanted = [np.array([last])] * self.models
        if counts.any():
            pending = self._arrays.pending_rows(first, counts)
            wanted = [np.append(rows + chunk.lead, last) for rows in pending]
        self._history[first : first + self.models] = chunk.take(wanted)
        self._arrays.number_pending_rows(first, counts.tolist())

    def _kept(self) -> list[Rows]:
        return self._history[self._first : self._first + self.models]

    def _launch_until_done(self, chunk: Chunk, learn: bool) -> np.ndarray:
        arrays, models = self._arrays, slice(self._first, self._first + self.models)
        arrays.scalars[models, tm_arrays.POSITION] = 0
        while True:
            self._launch_chunk(chunk, learn)
            scalars = self._device.to_host(arrays.scalars[models])
            short = scalars[:, tm_arrays.SHORT]
            if not short.any():
                return scalars
            need = scalars[:, tm_arrays.NEED]
            arrays.reserve(
                segments=int(need[short == tm_arrays.SHORT_OF_SEGMENTS].max(initial=0)),
                events=int(need[short == tm_arrays.SHORT_OF_EVENTS].max(initial=0)),
            )
            arrays.scalars[models, tm_arrays.SHORT] = 0

    def _launch_chunk(self, chunk: Chunk, learn: bool) -> None:
        arguments = self._arrays.arguments(self._first, self._first + self.models)
        self._device.launch(
            "temporal_memory.cu",
            "tm_advance",
            (1, self.models),
            (self._device.select_threads,),
            *arguments,
            *chunk.arguments(learn),
        )

    def _chunks(self, samples: Sequence[Bits], length: int) -> Iterator[tuple[int, int]]:
        if length == 0:
            return
        words = tm_arrays.words(self.parameters.cells_per_column)
        if sum(bits.total for bits in samples) * words <= CHUNK_WORDS:
            step = CHUNK
        else:
            most_on = max(int(bits.counts().max()) for bits in samples)
            step = min(CHUNK, max(1, CHUNK_WORDS // max(1, most_on * words * self.models)))
        for a in range(0, length, step):
            yield a, min(a + step, length)

    def _check(self, samples: Sequence[Bits]) -> int:
        for bits in samples:
            if bits.size != self.columns:
                raise ValueError(f"samples of {bits.size} bits for {self.columns} columns")
            if lies_on(bits, self._device):  # made by a kernel for as many columns
                continue
            on = bits.indices
            if len(on) and (on.min() < 0 or on.max() >= self.columns):
                raise ValueError(f"on-bits outside of 0 to {self.columns - 1}")
        lengths = {len(b) for b in samples}
        if len(samples) != self.models or len(lengths) != 1:
            raise ValueError(
                f"{len(samples)} inputs of {sorted(lengths)} samples, expected {self.models} of "
                "equal length"
            )
        return lengths.pop()

    def _joined(self, parts: Sequence[list[CellActivity]]) -> list[CellActivity]:
        if not parts:
            cells, none = Bits.empty(self._arrays.cells), np.zeros(0, np.int32)
            return [CellActivity(cells, cells, Bits.empty(self.columns), none, none)] * self.models
        return [CellActivity.joined([said[m] for said in parts]) for m in range(self.models)]


def _cut(samples: Sequence[Bits], start: int, stop: int, length: int) -> Sequence[Bits]:
    """Return samples start..stop of each model, as they are if that is all `length` of them."""
    return samples if stop - start == length else [x.slice(start, stop) for x in samples]
