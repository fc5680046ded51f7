"""How much memory a temporal memory can take on the processor.

Counts the arrays of `cpu/memory/arrays.py`. Apart from those, so that an estimate need not load
the compiled code.
"""

from __future__ import annotations

from htmrun.backends import tm_contract
from htmrun.backends.parameters import TemporalMemoryParameters

_OF_CELL = 4 * 4 + 4 + 4 + 1 + 1 / 8
_OF_SEGMENT = 4 * 4 + 4 + 4 + 2 + 1 + 8 + 1 + 1
_SIGNATURES = 8
"""Of a chunk of them; of each column's one may be all but empty."""

_OF_CHUNK = _SIGNATURES * 4 + 4 + 4
_OF_SLOT = 4 + 2 + 2
_OF_ENTRY = 4
_SPARE = 3 << 20
"""Room that a young memory has."""

_SLACK = 9 / 8
"""By how much arrays grow."""

_BLOCKS = [(4 + k) << octave for octave in range(7) for k in range(4)]
"""Sizes of a row of slots."""

_BLOCK = 5 / 4
"""How much larger than asked for a list can be."""


def memory(parameters: TemporalMemoryParameters, columns: int) -> int:
    """Return the bytes of all arrays of a memory that has as many segments as it may, at most.

    Every segment is counted with all its synapses, which few have. While an array is moved into a
    longer one, both are there.
    """
    segments = tm_contract.most_segments(parameters, columns)
    row = next(size for size in _BLOCKS if size >= parameters.segment_size)
    cells = columns * parameters.cells_per_column
    slots = segments * parameters.segment_size
    signature = _OF_CHUNK / _SIGNATURES + _width(parameters)
    rows = segments * (_OF_SEGMENT + signature + row * _OF_SLOT) * _SLACK
    lists = (slots * _SLACK + min(cells, slots)) * _BLOCK * _SLACK * _OF_ENTRY
    return empty(parameters, columns) + round(rows + lists)


def empty(parameters: TemporalMemoryParameters, columns: int) -> int:
    """Return the bytes of a memory without segments."""
    cells = columns * parameters.cells_per_column
    of_column = 6 * 4 + _OF_CHUNK + _SIGNATURES * _width(parameters)
    return _SPARE + round(cells * _OF_CELL) + columns * of_column


def _width(parameters: TemporalMemoryParameters) -> int:
    """Return the bytes of a segment's signature."""
    return 32 if parameters.segment_size <= 32 else 64
