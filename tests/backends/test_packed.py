"""Named tuples by a table of addresses: the compiled code sees the very arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from numba import njit

from htmrun.backends.cpu.common.packed import Layout


class Inner(NamedTuple):
    x: Any
    y: Any


class Outer(NamedTuple):
    inner: Inner
    n: int
    word: np.uint64
    z: Any


def outer(length: int, word: int = 1) -> Outer:
    x, y = np.zeros(length, np.int32), np.arange(4 * length, dtype=np.uint16)
    inner = Inner(x, y.reshape(length, 4))
    return Outer(inner, -5, np.uint64(word), np.ones(length, np.uint8))


LAYOUT = Layout(outer(1))
_unpack = LAYOUT.unpack


@njit
def _seen(table):
    o = _unpack(table)
    o.inner.x[2] = o.inner.y[1, 3]
    return o.inner.x.shape[0], o.inner.y.shape, o.n, o.word, o.z.sum()


def test_compiled_code_reads_and_writes_the_arrays():
    nest = outer(9, 2**64 - 3)
    seen = _seen(LAYOUT.packed(nest).table)
    assert seen == (9, (9, 4), -5, 2**64 - 3, 9)
    assert nest.inner.x.tolist() == [0, 0, 7, 0, 0, 0, 0, 0, 0]


def test_what_was_replaced_has_new_rows():
    before = LAYOUT.packed(outer(9))
    nest = before.nest._replace(inner=outer(5).inner)
    after = LAYOUT.packed(nest, before)
    assert np.array_equal(after.table, LAYOUT.packed(nest).table)
    assert np.array_equal(after.table[2:], before.table[2:])
    assert _seen(after.table) == (5, (5, 4), -5, 1, 9)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(3, np.int64),
        np.zeros((3, 4), np.int32),
        np.zeros(6, np.int32)[::2],
        np.zeros(3, ">i4"),
        3,
    ],
)
def test_another_type_is_refused(wrong):
    nest = outer(3)
    with pytest.raises(TypeError, match="field 0"):
        LAYOUT.packed(nest._replace(inner=nest.inner._replace(x=wrong)))
    read_only = np.zeros(3, np.int32)
    read_only.flags.writeable = False
    with pytest.raises(TypeError, match="field 0"):
        LAYOUT.packed(nest._replace(inner=nest.inner._replace(x=read_only)))


class Block(NamedTuple):
    """A record in another."""

    cube: np.ndarray
    flag: bool


class Record(NamedTuple):
    """One of each kind."""

    small: np.ndarray
    count: int
    inner: Block
    share: float
    table: np.ndarray


def record(rows: int, count: int = 3, *, flag: bool = True, share: float = -0.75) -> Record:
    cube = np.arange(rows * 6, dtype=np.uint64).reshape(rows, 2, 3)
    table = np.arange(rows * 5, dtype=np.float32).reshape(rows, 5)
    return Record(np.arange(rows, dtype=np.int16), count, Block(cube, flag), share, table)


RECORDS = Layout(record(1))
_read = RECORDS.unpack


@njit(_nrt=False)
def look(table, out):
    """Write to `out` what stands at the end of each array, and the numbers."""
    r = _read(table)
    out[0], out[1], out[2] = r.small[len(r.small) - 1], r.count, r.share
    out[3] = r.inner.cube[r.inner.cube.shape[0] - 1, 1, 2]
    out[4] = 1.0 if r.inner.flag else 0.0
    out[5] = r.table[r.table.shape[0] - 1, 4]
    r.table[0, 1] = np.float32(99)


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("rows", [1, 4])
def test_what_is_handed_over_is_what_is_read(rows: int, flag: bool) -> None:
    given = record(rows, -7, flag=flag, share=2.5)
    held, out = RECORDS.packed(given), np.zeros(6)
    look(held.table, out)
    expected = [rows - 1, -7, 2.5, rows * 6 - 1, float(flag), given.table[-1, 4]]
    assert out.tolist() == expected
    assert given.table[0, 1] == 99


@pytest.mark.parametrize(
    "wrong",
    [{"count": True}, {"share": 1}, {"inner": Block(np.zeros((1, 2), np.uint64), True)}],
)
def test_another_kind_of_number_is_refused(wrong):
    with pytest.raises(TypeError, match="another type in field"):
        RECORDS.packed(record(1)._replace(**wrong))
