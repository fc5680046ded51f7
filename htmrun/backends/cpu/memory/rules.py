"""The parameters of the CPU temporal memory as the integers that compiled code uses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from htmrun.backends import rng, tm_contract
from htmrun.backends.cpu.common.packed import Layout
from htmrun.backends.fixed_point import permanence
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.errors import UserError

INDEX_LIMIT = 2**31 - 1
"""Largest number of a cell, a slot or an entry."""

# Reading the synapses of a segment takes as long as this many entries of the lists.
_ENTRIES_PER_SEGMENT = 32


class Rules(NamedTuple):
    """Parameters as the integers that the hot path uses; permanences: 1.0 = 10000."""

    cells: int
    cells_per_column: int
    activation_threshold: int
    matching_threshold: int
    new_synapses: int
    segment_size: int
    segments_per_cell: int
    segment_limit: int
    connected: int
    initial: int
    increment: int
    decrement: int
    punishment: int
    slot_bits: int
    entries_per_segment: int
    cell_key: np.uint64
    grow_key: np.uint64
    signature: int  # bytes of a segment's signature: 32 or 64
    group_bits: int  # a group of cells is a power of two


def rules(parameters: TemporalMemoryParameters, columns: int, seed: int) -> Rules:
    """Return the integer form of `parameters`; UserError if the cells cannot be numbered."""
    p = parameters
    cells = columns * p.cells_per_column
    if cells > INDEX_LIMIT:
        raise UserError(
            f"tm.cells_per_column: found {p.cells_per_column} on {columns} columns, "
            f"expected at most {INDEX_LIMIT} cells in all"
        )
    return Rules(
        cells=cells,
        cells_per_column=p.cells_per_column,
        activation_threshold=p.activation_threshold,
        matching_threshold=p.matching_threshold,
        new_synapses=p.new_synapses,
        segment_size=p.segment_size,
        segments_per_cell=p.segments_per_cell,
        segment_limit=tm_contract.segment_limit(p, columns),
        connected=permanence(p.connected),
        initial=max(1, permanence(p.initial_permanence)),
        increment=permanence(p.increment),
        decrement=permanence(p.decrement),
        punishment=permanence(p.punishment),
        slot_bits=(p.segment_size - 1).bit_length(),
        entries_per_segment=_ENTRIES_PER_SEGMENT,
        cell_key=rng.key(seed, rng.Purpose.TM_CELL),
        grow_key=rng.key(seed, rng.Purpose.TM_GROW),
        signature=32 if p.segment_size <= 32 else 64,
        group_bits=p.cells_per_column.bit_length() - 1,
    )


RULES = Layout(Rules._make([0] * 15 + [np.uint64(0)] * 2 + [0] * 2))
