"""Records of long-lived arrays as words: what compiled code reads is what was handed over."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from numba import njit

from htmrun.backends.bits import Bits
from htmrun.backends.cpu import SpatialPooler
from htmrun.backends.cpu.common.checks import inside
from htmrun.backends.cpu.common.held import Held, unpacker
from htmrun.backends.cpu.pooler.standing import survey
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan


class Inner(NamedTuple):
    """A record in another."""

    cube: np.ndarray
    flag: bool


class Record(NamedTuple):
    """One of each kind."""

    small: np.ndarray
    count: int
    inner: Inner
    share: float
    table: np.ndarray


def record(rows: int, count: int = 3, *, flag: bool = True, share: float = -0.75) -> Record:
    cube = np.arange(rows * 6, dtype=np.uint64).reshape(rows, 2, 3)
    table = np.arange(rows * 5, dtype=np.float32).reshape(rows, 5)
    return Record(np.arange(rows, dtype=np.int16), count, Inner(cube, flag), share, table)


_read = unpacker(record(1))


@njit(_nrt=False)
def look(words, out):
    """Write to `out` what stands at the end of each array, and the numbers."""
    r = _read(words)
    out[0], out[1], out[2] = r.small[len(r.small) - 1], r.count, r.share
    out[3] = r.inner.cube[r.inner.cube.shape[0] - 1, 1, 2]
    out[4] = 1.0 if r.inner.flag else 0.0
    out[5] = r.table[r.table.shape[0] - 1, 4]
    r.table[0, 1] = np.float32(99)


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("rows", [1, 4])
def test_what_is_handed_over_is_what_is_read(rows: int, flag: bool) -> None:
    given = record(rows, -7, flag=flag, share=2.5)
    held, out = Held(given, record(1)), np.zeros(6)
    look(held.words, out)
    expected = [rows - 1, -7, 2.5, rows * 6 - 1, float(flag), given.table[-1, 4]]
    assert out.tolist() == expected
    assert given.table[0, 1] == 99


def test_another_kind_of_array_is_refused() -> None:
    wrong = record(2)._replace(small=np.zeros(2, np.int32))
    with pytest.raises(TypeError, match="Record: found other types than its prototype has"):
        Held(wrong, record(1))
    with pytest.raises(TypeError, match="found other types"):
        Held(record(4)._replace(table=np.zeros((10, 5), np.float32)[::2]), record(1))


@pytest.mark.parametrize(
    ("indices", "within"), [([], True), ([0, 4], True), ([5], False), ([-1, 2], False)]
)
def test_indices_inside(indices: list[int], within: bool) -> None:
    assert inside(np.array(indices, np.int32), 5) == within


@pytest.mark.parametrize("pending", [0, 3])
@pytest.mark.parametrize(
    ("commit", "boost"), [("", ""), ("0", "1"), ("1", "1"), ("0010100", "0100001"), ("000", "000")]
)
def test_what_windows_a_plan_makes(commit: str, boost: str, pending: int) -> None:
    ends = [t + 1 for t, c in enumerate(commit) if c == "1"]
    turns = [t + 1 for t in range(len(commit)) if "1" in (commit[t], boost[t])]
    windows = np.diff([-pending, *ends]).tolist()
    stretches = np.diff([0, *turns, len(commit)]).tolist()
    found = survey(np.array([*commit], np.uint8), np.array([*boost], np.uint8), pending)
    last = ends[-1] if ends else -pending
    expected = ends[-1] if ends else 0, max(windows, default=0), len(commit) - last, max(stretches)
    assert found == expected


def test_arrays_that_are_replaced_are_not_read_any_more() -> None:
    """A state with larger pools needs other arrays; windows of any length another scratch."""
    rows = np.random.default_rng(0).random((120, 700)) < 0.1
    bits, plans = Bits.from_dense(rows), [Plan.every(n, 120) for n in (1, 40, 7, 120, 1)]
    narrow = SpatialPoolerParameters(columns=64, winners=4, potential_fraction=0.05)
    wide = narrow.model_copy(update={"potential_fraction": 0.9})
    one, other = SpatialPooler(narrow, (700,), 1), SpatialPooler(wide, (700,), 1)
    one.run(bits, plans[0])
    one.load(other.state())
    for plan in plans:
        a, b = one.run(bits, plan), other.run(bits, plan)
        np.testing.assert_array_equal(a.indices, b.indices)
        for t in range(len(bits)):
            seen = one.compute(bits.slice(t, t + 1))
            np.testing.assert_array_equal(seen.indices, other.compute(bits).row(t))
    for name, array in one.state().items():
        np.testing.assert_array_equal(array, other.state()[name])
