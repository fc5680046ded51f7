"""What every spatial pooler checks of what it is handed, and the names of its state.

Canonical state, whatever the backend's layout:
    permanences       int16 (columns, inputs), 1.0 = 10000, -1 outside the potential pool
    active_duty       uint32 (columns,), 1.0 = 2**30; likewise overlap_duty, min_overlap_duty
    boost             float32 (columns,)
    pending_inputs, pending_input_offsets      the open window's input bits (int32, int64)
    pending_winners, pending_winner_offsets    and its winners
    pending_reached   int64 (columns,), in how many samples of the open window the overlap
                      reached the stimulus threshold; counted only if `weak_bump` > 0
    inhibition_radius int64 (2,), the radius and how many samples have been committed since it was
                      computed; only with `inhibition_radius: connected`
Right after a commit the pending arrays are empty (offsets [0]) and zero.
"""

from __future__ import annotations

import math

import numpy as np

from htmrun.backends import State
from htmrun.backends.bits import Bits
from htmrun.backends.fixed_point import PERMANENCE_ONE
from htmrun.backends.parameters import SpatialPoolerParameters, round_half_up
from htmrun.backends.plan import Plan
from htmrun.errors import UserError

DTYPES = {
    "permanences": np.int16,
    "active_duty": np.uint32,
    "overlap_duty": np.uint32,
    "min_overlap_duty": np.uint32,
    "boost": np.float32,
    "pending_inputs": np.int32,
    "pending_input_offsets": np.int64,
    "pending_winners": np.int32,
    "pending_winner_offsets": np.int64,
    "pending_reached": np.int64,
}


def check_shape(parameters: SpatialPoolerParameters, input_shape: tuple[int, ...]) -> int:
    """Return the number of inputs; raise `UserError` for an empty or unusable input shape."""
    size = math.prod(input_shape)
    if not input_shape or size < 1:
        raise UserError(f"input_shape: found {list(input_shape)}, expected sizes of at least 1")
    return size


def pool_size(fraction: float, reach: int) -> int:
    """Return how many of `reach` inputs join a potential pool; raise `UserError` for none."""
    size = round_half_up(fraction * reach)
    if size < 1:
        raise UserError(
            f"potential_fraction: {fraction} of {reach} reachable inputs makes a pool of 0, "
            f"expected at least {0.5 / max(reach, 1):.4g}"
        )
    return size


def check_bits(bits: Bits, inputs: int) -> None:
    """Raise ValueError unless `bits` has `inputs` bits a sample, all inside the range."""
    if bits.size != inputs:
        raise ValueError(f"samples of {bits.size} bits, expected {inputs}")
    if len(bits.indices) and not 0 <= int(bits.indices.min()) <= int(bits.indices.max()) < inputs:
        raise ValueError(f"on-bits outside 0..{inputs - 1}")


def check_plan(plan: Plan, samples: int, pending: int, period: int) -> None:
    """Raise ValueError if `plan` has another length, or a window larger than `period`.

    `pending` samples are already in the open window. Checked before anything changes.
    """
    if len(plan) != samples:
        raise ValueError(f"a plan for {len(plan)} samples, expected {samples}")
    largest = pending + 1
    if samples != 1:
        ends = np.flatnonzero(plan.commit) + 1
        cuts = np.concatenate([[-pending], ends, [samples]])
        largest = int(np.diff(cuts).max())
    if largest > period:
        raise ValueError(f"a window of {largest} samples is larger than duty_period = {period}")


def check_rewards(
    parameters: SpatialPoolerParameters, bits: Bits, winners: Bits, reward: np.ndarray
) -> None:
    """Raise ValueError unless a window can be committed with these winners and rewards."""
    samples, p = len(bits), parameters
    if len(winners) != samples or reward.shape != (samples,) or not 1 <= samples <= p.duty_period:
        raise ValueError(
            f"{samples} samples, {len(winners)} of winners and rewards {reward.shape}, expected as "
            f"many of each, 1 to duty_period = {p.duty_period}"
        )
    check_bits(winners, p.columns)
    if samples and not np.isin(reward, (-1, 0, 1)).all():
        raise ValueError("rewards other than -1, 0 and 1")
    if p.weak_bump > 0 or p.inhibition_radius == "connected":
        raise ValueError("a modulated window with weak_bump or a radius that follows")


def check_state(state: State, columns: int, inputs: int, follows: bool = False) -> None:
    """Raise ValueError unless `state` is a canonical state of `inputs` -> `columns`.

    follows: its inhibition radius follows the receptive fields, and is part of the state.
    """
    dtypes = DTYPES | ({"inhibition_radius": np.int64} if follows else {})
    if set(state) != set(dtypes):
        odd = ", ".join(sorted(set(state) ^ set(dtypes)))
        raise ValueError(f"spatial pooler state: names differ from the expected ones in {odd}")
    for name, dtype in dtypes.items():
        if state[name].dtype != dtype:
            raise ValueError(f"{name}: {state[name].dtype}, expected {np.dtype(dtype)}")
    shapes: dict[str, tuple[int, ...]] = {"permanences": (columns, inputs)}
    for name in ("active_duty", "overlap_duty", "min_overlap_duty", "boost", "pending_reached"):
        shapes[name] = (columns,)
    if follows:
        shapes["inhibition_radius"] = (2,)
    for name, shape in shapes.items():
        if state[name].shape != shape:
            raise ValueError(f"{name}: shape {state[name].shape}, expected {shape}")
    permanences = state["permanences"]
    if permanences.min() < -1 or permanences.max() > PERMANENCE_ONE:
        raise ValueError(f"permanences: outside -1..{PERMANENCE_ONE}")
    if follows and (state["inhibition_radius"] < (1, 0)).any():
        raise ValueError(f"inhibition_radius: {state['inhibition_radius']}, expected 1 and 0 up")
    _check_rows(state["pending_inputs"], state["pending_input_offsets"], inputs, "inputs")
    _check_rows(state["pending_winners"], state["pending_winner_offsets"], columns, "winners")
    if len(state["pending_input_offsets"]) != len(state["pending_winner_offsets"]):
        raise ValueError("pending inputs and winners: different numbers of samples")


def _check_rows(indices: np.ndarray, offsets: np.ndarray, size: int, name: str) -> None:
    sound = indices.ndim == offsets.ndim == 1 and len(offsets) > 0 and offsets[0] == 0
    sound = sound and offsets[-1] == len(indices) and bool((np.diff(offsets) >= 0).all())
    if len(indices):
        sound = sound and 0 <= int(indices.min()) <= int(indices.max()) < size
        row = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)) if sound else indices
        sound = sound and bool((np.diff(row * np.int64(size) + indices) > 0).all())
    if not sound:
        raise ValueError(f"pending {name}: not compressed, ascending rows of {size} bits")
