"""Columns of texts as categories: which texts there are, and their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from htmrun.components.sources import Chunk
from htmrun.components.sources.cells import is_missing
from htmrun.components.sources.csv_table import CSVTable
from htmrun.errors import UserError, listed

MOST_TEXTS = 1 << 20


class Vocabulary:
    """The texts of one column, numbered in order; any other text has the number after them.

    grows: other texts are taken in, instead.
    """

    def __init__(self, texts: Iterable[str] = (), *, grows: bool = False) -> None:
        each_once = dict.fromkeys(text.strip() for text in texts)
        self._numbers = {text: number for number, text in enumerate(each_once)}
        self._grows = grows

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts, in the order of their numbers."""
        return tuple(self._numbers)

    @property
    def other(self) -> int:
        """The number of any other text."""
        return len(self._numbers)

    def numbers(self, cells: Sequence[str], missing: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the number of each cell, float64 (T,), NaN for a missing one.

        missing: texts that stand for none, besides those that always do.
        """
        known, out = self._numbers, np.empty(len(cells))
        for i, cell in enumerate(cells):
            text = cell.strip()
            if text in missing or (text not in known and is_missing(text)):
                out[i] = np.nan
                continue
            if self._grows and text not in known:
                known[text] = len(known)
            out[i] = known.get(text, len(known))
        return out


class OtherTexts:
    """Watches for texts that have no number of their own."""

    def __init__(self, vocabularies: Mapping[str, Vocabulary]) -> None:
        self._vocabularies = vocabularies
        self._counts = dict.fromkeys(vocabularies, 0)
        self._first: dict[str, int] = {}

    def add(self, fields: Mapping[str, np.ndarray], rows: npt.NDArray[np.int64]) -> None:
        """Add samples; rows: their places in the file."""
        for name, vocabulary in self._vocabularies.items():
            other = np.flatnonzero(fields[name] == vocabulary.other)
            self._counts[name] += len(other)
            if len(other):
                self._first.setdefault(name, int(rows[other[0]]))

    def notes(self, table: CSVTable, given: Mapping[str, Sequence[str]]) -> Iterator[str]:
        """Yield which texts there are, and how many rows hold others."""
        for name, vocabulary in self._vocabularies.items():
            if not given[name]:
                yield f"data.texts.{name}: found in the first rows {listed(vocabulary.texts)}"
            if self._counts[name]:
                rows = f"{self._counts[name]:,} rows hold another text"
                yield (
                    f"data.texts.{name}: {rows} (first {table.place(self._first[name])}): all of "
                    "them look alike to the encoder"
                )


def first_texts(
    chunks: Iterable[Chunk], growing: Mapping[str, Vocabulary], most: int | None, share: int
) -> dict[str, tuple[str, ...]]:
    """Return the texts of each field in the first rows, in the order in which they come.

    chunks: read with `growing`. most: rows, but no more than one in `share` of all; None: all rows.
    Raises UserError where hardly a text comes twice.
    """
    firsts: dict[str, dict[int, int]] = {name: {} for name in growing}
    samples = 0
    for chunk in chunks:
        for name, first in firsts.items():
            codes, places = np.unique(chunk.fields[name], return_index=True)
            for code, place in zip(codes.tolist(), places.tolist(), strict=True):
                first.setdefault(int(code), samples + place)
            if growing[name].other > MOST_TEXTS:
                raise UserError(
                    f"data.texts.{name}: found more than {MOST_TEXTS:,} different texts, expected "
                    "a column whose texts come again"
                )
        samples += len(chunk)
    rows = samples if most is None else min(most, max(2, samples // share), samples)
    found = {}
    for name, first in firsts.items():
        texts = growing[name].texts
        early = sorted((place, code) for code, place in first.items() if place < rows)
        found[name] = tuple(texts[code] for _, code in early)
    return found
