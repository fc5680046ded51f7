"""How much memory of a card a model takes: what `SpatialPoolerGroup` and others will allocate.

State is exact. What a chunk of samples takes depends on how many bits are on: a quarter of them
is assumed, which few encoders reach.
"""

from __future__ import annotations

import math

from htmrun.backends import tm_contract
from htmrun.backends.cuda.memory.arrays import SEGMENTS, checked_cells, memory_bytes
from htmrun.backends.cuda.pooler.pools import DRAWN, room
from htmrun.backends.cuda.replay import FORMS
from htmrun.backends.cuda.rows import words_of
from htmrun.backends.parameters import SpatialPoolerParameters, TemporalMemoryParameters

CHUNK = 1024
"""Samples handed over at a time by a trainer."""

BINS = 1024
"""Bins of a histogram of keys."""

SCRATCH = 1 << 25
"""Overlaps and keys of all models of a group that are kept at a time, about, in numbers."""


def pooler_state(parameters: SpatialPoolerParameters, input_shape: tuple[int, ...]) -> int:
    """Return the bytes of one spatial pooler's own arrays.

    Compact pools take less than whole rows of permanences (`pooler.pools`).
    """
    columns, pools = parameters.columns, room(parameters, input_shape)
    words, column_words = pools.words, words_of(columns)
    # Of lists that nobody looks at there is one element each.
    permanences = columns * pools.row_bytes + (0 if pools.entry else 3)
    connected = columns * words * 4 + words * 32 * column_words * 4
    # Two duty cycles, the minimum, boost factors, counts, those that learn; a maximum, two radii.
    return permanences + connected + columns * 6 * 4 + 12


def teams(columns: int, winners: int) -> int:
    """Return how many columns have room on the lists of a sample that is learned online: winners,
    and others as good."""
    return min(columns, winners + max(winners, 32))


def scratch_samples(columns: int, models: int) -> int:
    """Return how many samples have their overlaps kept at a time: 64 to 1024."""
    return max(64, min(1024, SCRATCH // (columns * models)))


def online_lists(inputs: int, columns: int, winners: int) -> int:
    """Return the bytes of what one spatial pooler keeps of a sample while it learns online."""
    # Two histograms, lengths of two lists each, columns as good as the last winner, flipped bits.
    counted = 2 * (BINS + 2) * 4 + teams(columns, winners) * 8
    return counted + winners * (words_of(inputs) + 1) * 4


def pooler(
    parameters: SpatialPoolerParameters, input_shape: tuple[int, ...], longest_window: int
) -> int:
    """Return the bytes of one spatial pooler and of its chunks: the present one and captured ones.

    A window stays on the card whole. Pools that become compact are drawn before there are chunks,
    some columns at a time: the larger of both counts.
    """
    inputs, columns = math.prod(input_shape), parameters.columns
    rows = (CHUNK + longest_window) * (1 + FORMS)
    scratch = scratch_samples(columns, 1) * (columns * 8 + words_of(columns) * 4)
    scratch += online_lists(inputs, columns, parameters.active_columns)
    chunks = scratch + rows * (_row(inputs) + words_of(columns) * 4)
    drawn = DRAWN if room(parameters, input_shape).entry else 0
    return pooler_state(parameters, input_shape) + max(chunks, drawn)


def classifier_state(size: int, classes: int) -> int:
    """Return the bytes of one SDR classifier's weights and pending gradient."""
    return 2 * size * classes * 4


def classifier(size: int, classes: int) -> int:
    """Return the bytes of one SDR classifier and of two chunks: to predict and to learn from."""
    return classifier_state(size, classes) + CHUNK * (2 * (_row(size) + classes * 4) + 4)


def memory(parameters: TemporalMemoryParameters, columns: int) -> int:
    """Return the bytes of one temporal memory with as many segments as it may have, and of its
    chunk."""
    cells = checked_cells(parameters, columns)
    segments = max(SEGMENTS, tm_contract.most_segments(parameters, columns))
    # Active and winner cells, and predicted columns, of every sample as bits; its own columns.
    chunk = CHUNK * (2 * words_of(cells) * 4 + words_of(columns) * 4 + _row(columns))
    return memory_bytes(parameters, columns, segments) + chunk


def _row(size: int) -> int:
    """Return the bytes of a sample: its bits, a list of on-bits, its place, its schedule."""
    return words_of(size) * 4 + size + 8 + 16
