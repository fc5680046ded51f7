"""Generated high-order sequences: pairs that share their middle, like ABCDE and XBCDY.

Only the first elements tell how such a sequence ends, so a first-order model does no better
than chance there. The task follows Hawkins, Ahmad 2016, "Why Neurons Have Thousands of
Synapses", and Cui, Ahmad, Hawkins 2016, "Continuous Online Sequence Learning".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from htmrun.backends import rng
from htmrun.components.registry import register
from htmrun.components.sources import Chunk
from htmrun.components.sources.streams import DriftAt, Steps, StreamParameters, StreamSource

BLOCK = 4096
"""Sequences that are generated at a time."""


class SequencesParameters(StreamParameters):
    """Generated high-order sequences: pairs like ABCDE / XBCDY, whose start decides the end."""

    kind: Literal["sequences"] = "sequences"
    sequences: int = Field(
        4, ge=2, le=10_000, description="Number of sequences, even; each pair shares its middle."
    )
    length: int = Field(6, ge=3, le=10_000, description="Elements of a sequence.")
    shared: int = Field(
        3, ge=0, description="Elements in the middle that a pair shares, before the last element."
    )
    gap: int = Field(1, ge=0, le=1000, description="Random elements between two sequences.")
    noise_symbols: int = Field(
        10_000,
        ge=0,
        le=1_000_000,
        description="Alphabet of the gap and of `noise`, apart from the rest; large, so that what "
        "comes before a sequence hardly ever comes back. One class for the classifier.",
    )
    noise: float = Field(
        0.0, ge=0.0, le=1.0, description="Chance that an element is replaced by a noise symbol."
    )
    steps: Steps = Field(5000, description="Samples in an epoch.")
    drift_at: DriftAt = Field(
        None,
        description="Sequences that begin at this sample or later end as the other one of "
        "their pair did before; null: they never change. How a model recovers is measured, in "
        "streams of up to a million samples.",
    )
    resets: bool = Field(False, description="Tell the temporal memory where a sequence starts.")
    score: Literal["ending", "determined"] = Field(
        "ending",
        description="Which elements count: the last one of a sequence, which only its start tells, "
        "or every element that the sequence so far decides.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.sequences % 2:
            raise ValueError(f"sequences: found {self.sequences}, expected an even number (pairs)")
        if self.shared > self.length - 2:
            raise ValueError(
                f"shared: {self.shared} leaves no first and last element of its own in length = "
                f"{self.length}, expected at most {self.length - 2}"
            )
        if self.drift_at is not None and self.drift_at >= self.steps:
            raise ValueError(
                f"drift_at: found {self.drift_at}, expected less than steps = {self.steps}"
            )
        if self.noise_symbols == 0 and (self.gap or self.noise):
            raise ValueError(
                f"noise_symbols: found 0 with gap = {self.gap} and noise = {self.noise}, "
                "expected at least 1"
            )
        return self


@register("source", SequencesParameters)
class SequencesSource(StreamSource):
    """A stream of sequences, each drawn at random, with random elements in the gaps.

    Every random number belongs to (seed, epoch, place in the stream), so any cut into
    chunks gives the same stream. Counted are the last elements, or all elements that the
    sequence so far decides; the first element, gaps and replaced elements never are.
    """

    name = "sequences"

    def __init__(self, parameters: SequencesParameters, base: Path) -> None:
        super().__init__(parameters, base)
        self.table = element_table(parameters)

    @property
    def regular(self) -> int:
        """Number of symbols that occur in the sequences themselves."""
        return int(self.table.max()) + 1

    @property
    def classes(self) -> int:
        """The symbols of the sequences, and one class for all noise symbols."""
        return self.regular + (self.parameters.noise_symbols > 0)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Letters, as in a spreadsheet, then ~ for noise."""
        noise = ("~",) if self.parameters.noise_symbols else ()
        return (*(letters(i) for i in range(self.regular)), *noise)

    @property
    def ranges(self) -> Mapping[str, tuple[float, float]]:
        """Lowest and highest symbol."""
        return {"symbol": (0.0, float(self.regular + self.parameters.noise_symbols - 1))}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the parameters and of the sequences they make."""
        # Fields that came later are left out where they change nothing: old runs compare on.
        unset = {"drift_at"} if self.parameters.drift_at is None else set()
        settings = self.parameters.model_dump_json(exclude={"held_out"} | unset)
        digest = hashlib.sha256(settings.encode())
        if self.parameters.held_out == "validation":
            digest.update(b"validation")
        digest.update(self.table.tobytes())
        return digest.hexdigest()

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        """Yield `steps` samples of the stream of (seed, epoch)."""
        p = self.parameters
        period = p.length + p.gap
        done = 0
        for first in range(0, -(-p.steps // period), BLOCK):
            block = self._block(seed, epoch, first).slice(0, p.steps - done)
            done += len(block)
            yield from block.pieces(chunk)

    def _block(self, seed: int, epoch: int, first: int) -> Chunk:
        p = self.parameters
        period = p.length + p.gap
        number = np.arange(first, first + BLOCK, dtype=np.uint64)
        place = (number * np.uint64(period))[:, None] + np.arange(period, dtype=np.uint64)
        stream = np.uint64(self.stream_number(epoch))
        draw = np.uint64(rng.mix(rng.key(seed, rng.Purpose.GENERATE) ^ stream))
        spoil = np.uint64(rng.mix(rng.key(seed, rng.Purpose.NOISE) ^ stream))

        pick = rng.below(rng.hash2(draw, number, 0), p.sequences)
        symbol = np.empty((BLOCK, period), np.int64)
        symbol[:, : p.length] = self.table[pick]
        if p.drift_at is not None:
            drifted = place[:, 0] >= p.drift_at
            # Sequences 2k and 2k + 1 are a pair.
            symbol[drifted, p.length - 1] = self.table[pick[drifted] ^ 1, -1]
        replaced = rng.uniform(rng.hash2(spoil, place, 0)) < p.noise
        replaced[:, p.length :] = True
        if p.noise_symbols:
            other = self.regular + rng.below(rng.hash2(spoil, place, 1), p.noise_symbols)
            symbol = np.where(replaced, other, symbol)
        scored = np.zeros((BLOCK, period), np.uint8)
        scored[:, : p.length] = determined(replaced[:, : p.length], p.length - p.shared - 1)
        if p.score == "ending":
            scored[:, : p.length - 1] = 0
        reset = np.zeros((BLOCK, period), np.uint8)
        reset[:, 0] = p.resets
        # A new epoch is a new stream, not a continuation.
        reset[0, 0] |= first == 0
        target = np.minimum(symbol, self.regular).ravel()
        return Chunk({"symbol": symbol.ravel()}, target, reset.ravel(), scored.ravel())


def determined(replaced: npt.NDArray[np.bool_], lead: int) -> npt.NDArray[np.bool_]:
    """Return which elements (N, length) the elements before them decide.

    The first `lead` elements and the last one are the sequence's own, the others shared by a
    pair. An own element is decided once an intact own element was seen, a shared one once any
    intact element was seen; a replaced element never is.
    """
    intact = ~replaced
    out = np.zeros_like(intact)
    out[:, 1:] = np.logical_or.accumulate(intact, axis=1)[:, :-1]
    out[:, -1] = intact[:, :lead].any(1)
    return out & intact


def element_table(p: SequencesParameters) -> npt.NDArray[np.int64]:
    """Return the symbols (sequences, length): numbered in order of first appearance."""
    lead = p.length - p.shared - 1
    table = np.empty((p.sequences, p.length), np.int64)
    following = 0
    for pair in range(0, p.sequences, 2):
        table[pair] = np.arange(following, following + p.length)
        following += p.length
        table[pair + 1] = table[pair]
        own = [*range(lead), p.length - 1]
        table[pair + 1, own] = np.arange(following, following + len(own))
        following += len(own)
    return table


def letters(index: int) -> str:
    """Return A, B, ... Z, AA, AB, ... for 0, 1, ..."""
    name = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        name = chr(ord("A") + digit) + name
    return name
