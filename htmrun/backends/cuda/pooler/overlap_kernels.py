"""How overlaps are counted: six kernels that give the same, and which of them suits a launch.

What each takes was measured on one card; `benchmarks/on_card.py` measures all side by side.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

OverlapWay = Literal["dense", "sparse", "sliced", "tiled", "bits", "bytes"]
"""sparse: rows of on-inputs, by warps; sliced: the same, a thread for each word of 32 columns;
dense: a warp for each column; tiled: a product of bit matrices in shared memory; bits, bytes: the
same product on tensor cores."""

Capability = tuple[int, int]
"""A card's compute capability, e.g. (9, 0)."""

TENSOR_WORDS = 64
"""So many words of inputs make a product on tensor cores the faster one."""

TILE = 64
"""Samples, and columns, that a block of a product multiplies."""

SPARSE_WORDS = 8
"""Words of 32 columns that a block counts from lists of on-bits."""

DENSE_SAMPLES = 8
"""Samples for which a warp of the dense kernel reads a column once."""

SLICED_THREADS = 128
"""Threads of a block that counts bit by bit, at most."""

SLICED_ON_BITS = 2**16 - 1
"""On-bits of a sample that can be counted bit by bit."""

_NEEDS: dict[OverlapWay, Capability] = {"bits": (8, 0), "bytes": (7, 5)}


def possible(capability: Capability) -> tuple[OverlapWay, ...]:
    """Return the ways that a card has instructions for."""
    ways: tuple[OverlapWay, ...] = ("sparse", "sliced", "dense", "tiled", "bits", "bytes")
    return tuple(way for way in ways if capability >= _NEEDS.get(way, (0, 0)))


def product(capability: Capability, words: int) -> OverlapWay:
    """Return the product of bit matrices that should be the fastest on a card.

    Tensor cores multiply single bits from 8.0 to 9.0. Later ones do not: compilers make eight
    products of bytes of one of bits, so bytes it is, as on 7.5. Rows of few words of inputs do not
    keep tensor cores busy.
    """
    if words < TENSOR_WORDS or capability < _NEEDS["bytes"]:
        return "tiled"
    return "bits" if (8, 0) <= capability < (10, 0) else "bytes"


def chosen(
    capability: Capability, on_bits: int, samples: int, columns: int, words: int, models: int = 1
) -> OverlapWay:
    """Return the way that should take the least time for `samples` at once.

    on_bits: those of the fullest sample; words: of 32 inputs each.
    """
    pairs = models * columns * words
    multiplied = product(capability, words)
    rows = models * samples * on_bits * -(-columns // 32)
    took = {
        "sparse": rows,
        **({"sliced": rows} if on_bits <= SLICED_ON_BITS else {}),
        "dense": pairs * -(-samples // DENSE_SAMPLES),
        multiplied: pairs * -(-samples // TILE) * TILE,
    }
    return min(
        _MEASURED.keys() & took, key=lambda way: _MEASURED[way].microseconds(took[way], on_bits)
    )


class _Cost(NamedTuple):
    """Microseconds of a launch: some anyway, some for each on-bit that a thread goes through one
    after another, and one for so many words (pairs of words)."""

    anyway: float
    a_microsecond: float
    an_on_bit: float = 0.0

    def microseconds(self, words: int, on_bits: int) -> float:
        return self.anyway + words / self.a_microsecond + on_bits * self.an_on_bit


_MEASURED: dict[OverlapWay, _Cost] = {
    "sparse": _Cost(4.0, 3.1e5),
    "sliced": _Cost(4.7, 1.6e6, 0.029),
    "dense": _Cost(1.5, 5.0e4),
    "tiled": _Cost(6.8, 4.5e6),
    "bits": _Cost(9.0, 8.0e6),
    "bytes": _Cost(9.0, 4.5e6),
}
"""On an NVIDIA H200, 2026-11-26, rounded: words of rows of inputs (sparse, sliced), words of
columns for eight samples at a time (dense), words of columns times samples (products)."""
