"""Strings of the Reber grammar (Reber 1967) and of the embedded one (Cleeremans et al. 1989).

Cleeremans, Servan-Schreiber, McClelland 1989, "Finite State Automata and Simple Recurrent
Networks". Embedded strings are B T <string> T E or B P <string> P E: the symbol before the
last repeats the second one, over a string of any length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from htmrun.backends import rng
from htmrun.components.registry import register
from htmrun.components.sources import Chunk
from htmrun.components.sources.streams import Steps, StreamParameters, StreamSource

SYMBOLS = "BTPSXVE"
BLOCK = 1024
"""Strings that are generated at a time."""

# State -> arcs (symbol, next state). A string starts in state 0 and ends in state 7.
GRAMMAR: dict[int, tuple[tuple[str, int], ...]] = {
    0: (("B", 1),),
    1: (("T", 2), ("P", 3)),
    2: (("S", 2), ("X", 4)),
    3: (("T", 3), ("V", 5)),
    4: (("X", 3), ("S", 6)),
    5: (("P", 4), ("V", 6)),
    6: (("E", 7),),
}
END = 7


@dataclass(frozen=True)
class Automaton:
    """A grammar as arrays: symbol and following (states, 2), both arcs equal if there is one.

    determined, long_range: bool (states,), what is certain of the symbol emitted in a state.
    State 0 starts a string, the last state ends it.
    """

    symbol: npt.NDArray[np.int64]
    following: npt.NDArray[np.int64]
    determined: npt.NDArray[np.bool_]
    long_range: npt.NDArray[np.bool_]

    @property
    def end(self) -> int:
        """The state in which a string is complete."""
        return len(self.symbol)


def plain() -> Automaton:
    """Return the Reber grammar."""
    return _automaton(GRAMMAR, ())


def embedded() -> Automaton:
    """Return the embedded grammar: one copy of the plain one for T and one for P."""
    arcs: dict[int, tuple[tuple[str, int], ...]] = {0: (("B", 1),), 1: (("T", 2), ("P", 10))}
    for branch, start in (("T", 2), ("P", 10)):
        for state, out in GRAMMAR.items():
            arcs[start + state] = tuple((s, start + to) for s, to in out)
        arcs[start + END] = ((branch, 18),)
    arcs[18] = (("E", 19),)
    return _automaton(arcs, (2 + END, 10 + END))


def _automaton(
    arcs: Mapping[int, tuple[tuple[str, int], ...]], long_range: tuple[int, ...]
) -> Automaton:
    both = [(arcs[s][0], arcs[s][-1]) for s in range(len(arcs))]
    determined = np.array([len(arcs[s]) == 1 for s in range(len(arcs))])
    determined[0] = False  # nothing of its string has been seen yet
    far = np.zeros(len(arcs), bool)
    far[list(long_range)] = True
    return Automaton(
        np.array([[SYMBOLS.index(s) for s, _ in pair] for pair in both], np.int64),
        np.array([[to for _, to in pair] for pair in both], np.int64),
        determined,
        far,
    )


class ReberParameters(StreamParameters):
    """Strings of the Reber grammar, plain or embedded (Cleeremans et al. 1989)."""

    kind: Literal["reber"] = "reber"
    embedded: bool = Field(
        True, description="Wrap each string as BT..TE or BP..PE: the second symbol comes back."
    )
    score: Literal["long_range", "determined"] | None = Field(
        None,
        description="Which symbols count: the returning second symbol only, or every symbol that "
        "can be known for sure; null: long_range if embedded.",
    )
    steps: Steps = Field(5000, description="Samples in an epoch.")
    resets: bool = Field(False, description="Tell the temporal memory where a string starts.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.score == "long_range" and not self.embedded:
            raise ValueError(
                "score: 'long_range' exists only with embedded = true, expected determined or null"
            )
        return self


@register("source", ReberParameters)
class ReberSource(StreamSource):
    """An endless stream of strings; both arcs of a state are equally likely.

    Scored are, by `score`, the symbols that follow with certainty from their own string
    (its first symbol never), or of the embedded grammar only the symbol before the last.
    """

    classes = len(SYMBOLS)
    class_names = tuple(SYMBOLS)

    def __init__(self, parameters: ReberParameters, base: Path) -> None:
        super().__init__(parameters, base)
        self.name = "embedded_reber" if parameters.embedded else "reber"
        self.automaton = embedded() if parameters.embedded else plain()
        far = parameters.score == "long_range" or (parameters.score is None and parameters.embedded)
        self._scored = self.automaton.long_range if far else self.automaton.determined
        self.ranges: Mapping[str, tuple[float, float]] = {"symbol": (0.0, self.classes - 1.0)}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the parameters and the automaton."""
        digest = hashlib.sha256(self.parameters.model_dump_json(exclude={"held_out"}).encode())
        if self.parameters.held_out == "validation":
            digest.update(b"validation")
        digest.update(self.automaton.symbol.tobytes() + self.automaton.following.tobytes())
        return digest.hexdigest()

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        """Yield `steps` samples of the stream of (seed, epoch); the last string may be cut."""
        stream = np.uint64(self.stream_number(epoch))
        key = np.uint64(rng.mix(rng.key(seed, rng.Purpose.GENERATE) ^ stream))
        done = first = 0
        while done < self.parameters.steps:
            block = self._block(key, first).slice(0, self.parameters.steps - done)
            done += len(block)
            first += BLOCK
            yield from block.pieces(chunk)

    def _block(self, key: np.uint64, first: int) -> Chunk:
        number = np.arange(first, first + BLOCK, dtype=np.uint64)
        state = np.zeros(BLOCK, np.int64)
        # Column t holds symbol t of every string; -1 where a string is already complete.
        symbols: list[npt.NDArray[np.int64]] = []
        scored: list[npt.NDArray[np.bool_]] = []
        while (running := state < self.automaton.end).any():
            here = np.where(running, state, 0)
            arc = (rng.hash2(key, number, len(symbols)) >> np.uint64(63)).astype(np.int64)
            symbols.append(np.where(running, self.automaton.symbol[here, arc], -1))
            scored.append(self._scored[here])
            state = np.where(running, self.automaton.following[here, arc], state)
        table = np.stack(symbols, 1)
        emitted = table >= 0
        reset = np.zeros(table.shape, np.uint8)
        reset[:, 0] = self.parameters.resets
        # A new epoch is a new stream, not a continuation.
        reset[0, 0] |= first == 0
        target = table[emitted]
        counted = np.stack(scored, 1)[emitted].astype(np.uint8)
        return Chunk({"symbol": target}, target, reset[emitted], counted)
