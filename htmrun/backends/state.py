"""Checking and hashing of canonical states."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from htmrun.backends import Change, SDRClassifierBackend, State


def must_fit(given: State, expected: State, free: frozenset[str] = frozenset()) -> None:
    """Raise ValueError naming what differs, unless names, dtypes and shapes are as `expected`.

    Arrays named in `free` may have any length along their first axis (lists that grow).
    """
    if set(given) != set(expected):
        raise ValueError(f"state holds {sorted(given)}, expected {sorted(expected)}")
    for name, want in expected.items():
        have = np.asarray(given[name])
        skip = 1 if name in free else 0
        if have.dtype != want.dtype or have.shape[skip:] != want.shape[skip:]:
            raise ValueError(
                f"state {name!r} is {have.dtype}{have.shape}, expected {want.dtype}{want.shape}"
            )


def checked(given: State, expected: State, free: frozenset[str] = frozenset()) -> State:
    """Return contiguous copies of `given` if they fit; see `must_fit`, which raises ValueError."""
    must_fit(given, expected, free)
    return {name: np.array(given[name], order="C", copy=True) for name in expected}


def change_by_state(model: SDRClassifierBackend, weights: Change, gradient: Change) -> None:
    """Do what `SDRClassifierBackend.change` says with a copy of all rows."""
    state = model.state()
    made = {"weights": weights(state["weights"]), "gradient": gradient(state["gradient"])}
    model.load(state | made)


def state_hash(state: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of named arrays: names, dtypes, shapes and little-endian bytes."""
    digest = hashlib.sha256()
    for name in sorted(state):
        array = np.ascontiguousarray(state[name])
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{name}|{array.dtype.kind}{array.dtype.itemsize}|{array.shape}|".encode())
        digest.update(little.data if array.size else b"")
    return digest.hexdigest()
