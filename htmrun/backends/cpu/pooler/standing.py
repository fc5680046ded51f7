"""What a pooler's compiled calls have in common, as one record: all that stands between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends import receptive_fields
from htmrun.backends.cpu.common.packed import Layout
from htmrun.backends.cpu.pooler.layout import HOT, I64, SLACK, U64, Field, Memory, Rules
from htmrun.backends.cpu.pooler.start import empty_memory
from htmrun.backends.fixed_point import boost_gain, permanence
from htmrun.backends.parameters import SpatialPoolerParameters

Flags = npt.NDArray[np.uint8]

_KEPT_WORDS = 1 << 17
"""Words of a window's scratch, at most, that are kept from one call to the next."""


class Window(NamedTuple):
    """Scratch for windows of up to so many samples; see `kernel.Chunk`."""

    rows: U64  # (largest + 1, IW in steps of 8)
    won: U64  # (largest, CW)
    turned: U64  # (blocks of 64 samples, 64)
    members: npt.NDArray[np.int32]  # (largest + SLACK,)


class Standing(NamedTuple):
    """What a call of the kernels is handed, as a table (see `common.packed`)."""

    rules: Rules
    field: Field
    memory: Memory
    window: Window
    others: I64  # (helping threads, C) the counts of reached columns of each
    slot: int  # places for a sample's winners
    boosted: bool  # whether scores are boosted in learning
    infer_boosted: bool  # and in inference
    crew: int  # work, in words, from which a stretch is shared; 0: never


def window(m: Memory, largest: int) -> Window:
    """Return scratch for windows of up to `largest` samples."""
    blocks = -(-largest // 64)
    return Window(
        np.zeros((largest + 1, m.window_planes.shape[1]), np.uint64),
        np.zeros((largest, len(m.selected)), np.uint64),
        np.zeros((blocks, 64), np.uint64),
        np.zeros(largest + SLACK, np.int32),
    )


def worth_keeping(scratch: Window) -> bool:
    """Say whether scratch is small enough to lie there between calls."""
    return scratch.rows.size + scratch.won.size <= _KEPT_WORDS


def rules_of(p: SpatialPoolerParameters, inputs: int, radius: int) -> Rules:
    """Return parameters as the kernels use them; radius: that of inhibition."""
    return Rules(
        inputs=inputs,
        columns=p.columns,
        up=permanence(p.increment),
        down=permanence(p.decrement),
        threshold=permanence(p.connected),
        stimulus=p.stimulus_threshold,
        k=p.active_columns,
        local=p.inhibition == "local",
        boost_gain=boost_gain(p.boost_strength),
        period=p.duty_period,
        bump=permanence(p.weak_bump),
        weak_share=int(p.weak_fraction * 65536),
        radius=radius,
        wrap=p.wrap,
        boosts_locally=p.boosts_locally,
        boost_radius=receptive_fields.boost_radius(p, radius),
        boost_drop=30 - p.boost_bits,
        push=permanence(p.push),
        inflection=permanence(p.inflection),
    )


def _example() -> Standing:
    none, some = np.zeros(0, np.int64), empty_memory(64, 64, 1)
    bits, table = np.zeros((0, 0), np.uint64), np.zeros((0, 0), np.int64)
    rules = rules_of(SpatialPoolerParameters.model_validate({}), 1, 1)
    field = Field(bits, table, table, none, none, none, bits, none, none)
    return Standing(rules, field, some, window(some, 0), table, 0, False, False, 0)


STANDING = Layout(_example())


@njit(**HOT)
def survey(commit: Flags, boost: Flags, pending: int) -> tuple[int, int, int, int]:
    """Return what windows a plan makes, `pending` samples being in the open one before it.

    First where the last window ends, 0 for none; samples of the largest that ends, and of the one
    that is open after all; then the most samples between two commits or boosts.
    """
    end = largest = longest = np.int64(0)
    start, turn = np.int64(-pending), np.int64(0)
    for t in range(len(commit)):
        if commit[t] or boost[t]:
            longest = max(longest, t + 1 - turn)
            turn = np.int64(t + 1)
        if commit[t]:
            end = np.int64(t + 1)
            largest = max(largest, end - start)
            start = end
    return end, largest, len(commit) - start, max(longest, len(commit) - turn)
