"""How overlaps are counted: five kernels that give the same, and which of them suits a launch.

The bounds are reasoned, no card has tested them; `benchmarks/cuda.py` measures all side by side.
"""

from __future__ import annotations

from typing import Literal

OverlapWay = Literal["dense", "sparse", "tiled", "bits", "bytes"]
"""sparse: rows of on-inputs; dense: a warp for each column; tiled: a product of bit matrices in
shared memory; bits, bytes: the same product on tensor cores."""

Capability = tuple[int, int]
"""A card's compute capability, e.g. (9, 0)."""

PRODUCT_FROM = 16
"""So many samples are worth a product: a quarter of a tile, one piece of a tensor core."""

TILE = 64
"""Samples, and columns, that a block of a product multiplies."""

SPARSE_WORDS = 8
"""Words of 32 columns that a block counts from lists of on-bits."""

DENSE_SAMPLES = 8
"""Samples for which a warp of the dense kernel reads a column once."""

_NEEDS: dict[OverlapWay, Capability] = {"bits": (8, 0), "bytes": (7, 5)}


def possible(capability: Capability) -> tuple[OverlapWay, ...]:
    """Return the ways that a card has instructions for."""
    ways: tuple[OverlapWay, ...] = ("sparse", "dense", "tiled", "bits", "bytes")
    return tuple(way for way in ways if capability >= _NEEDS.get(way, (0, 0)))


def product(capability: Capability) -> OverlapWay:
    """Return the product of bit matrices that should be the fastest on a card.

    Tensor cores multiply single bits from 8.0 to 9.0. Later ones do not: compilers make eight
    products of bytes of one of bits, so bytes it is, as on 7.5.
    """
    if (8, 0) <= capability < (10, 0):
        return "bits"
    return "bytes" if capability >= _NEEDS["bytes"] else "tiled"


def chosen(
    capability: Capability, on_bits: int, samples: int, columns: int, words: int
) -> OverlapWay:
    """Return the way for `samples` at once, by the words that a sample makes the card read.

    on_bits: those of the fullest sample; words: of 32 inputs each.
    """
    many = samples >= PRODUCT_FROM
    by_input = on_bits * -(-columns // 32)
    shared = columns * words // min(samples, TILE if many else DENSE_SAMPLES)
    if 2 * by_input <= shared:
        return "sparse"
    return product(capability) if many else "dense"
