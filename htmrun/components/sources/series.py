"""A series to forecast, streamed from a CSV file or from one that ships in a dependency.

Each sample is scored before it is learned, so there is no held-out part. Memory holds one
block of rows, whatever the length of the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from htmrun.backends.parameters import round_half_up
from htmrun.components.registry import register
from htmrun.components.sources import (
    Chunk,
    Ranges,
    Shapes,
    Source,
    resolve_path,
)
from htmrun.components.sources.columns import find_columns
from htmrun.components.sources.derived import Derived, Rule
from htmrun.components.sources.first_rows import SHARE, FirstRows, rows_of
from htmrun.components.sources.labels import Flagged, Timed, Windows, read_labels
from htmrun.components.sources.reading import Reading
from htmrun.components.sources.rows import RowPass
from htmrun.components.sources.series_parameters import SeriesParameters
from htmrun.components.sources.series_table import opened
from htmrun.components.sources.stand_ins import StandIns
from htmrun.components.sources.steps import step_among, uneven
from htmrun.components.sources.texts import OtherTexts, Vocabulary, first_texts
from htmrun.components.sources.time_order import TimeOrder
from htmrun.errors import UserError

Ends = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Scan:
    """What one pass over the data tells.

    samples: rows that are used. ranges: lowest and highest value per numeric field, as far as a
    model may know them. reach: of all rows.
    missing: values that were missing. median_step: seconds between samples, over the first
    100,000 of them; None without timestamps. notes: lines about the times and labels. windows:
    first and last row of what is labelled; None without labels.
    """

    samples: int
    ranges: Ends
    reach: Ends
    missing: int
    median_step: float | None
    notes: tuple[str, ...] = ()
    windows: Windows | None = None


@register("source", SeriesParameters)
class SeriesSource(Source):
    """A table whose column `value` is forecast; the header is read at once, the rows later."""

    task = "forecast"
    classes = 0
    class_names: tuple[str, ...] = ()

    def __init__(self, parameters: SeriesParameters, base: Path) -> None:
        self.table, name, defaults = opened(parameters, base)
        self.name: str = name
        labels = parameters.labels
        self._labels_path = None if labels is None else resolve_path(labels, base, "labels")
        if labels is not None and parameters.label is not None:
            raise UserError(
                f"data.labels: found {labels} and data.label = {parameters.label}, expected one of "
                "them"
            )
        given = {k: v for k, v in defaults.items() if getattr(parameters, k) is None}
        self.parameters = parameters.model_copy(update=given)
        self.columns = find_columns(self.table, self.parameters)
        self.predicted = self.columns.predicted
        self._must_have_dates()
        if self.parameters.sort and not self.columns.dates.columns:
            raise UserError(
                f"data.sort: found true and no column of dates in {self.table.label}, expected one "
                "(data.timestamp)"
            )
        for place, change in enumerate(self.parameters.changes):
            if change.needs_dates and not self.columns.dates.columns:
                raise UserError(
                    f"data.changes[{place}]: found hours or weekdays, and {self.table.label} has "
                    "no column of dates, expected one (data.timestamp)"
                )

    @classmethod
    def asked_for(cls, parameters: SeriesParameters) -> Mapping[str, str]:
        """The further columns, and what is derived."""
        # A column that is there to be derived from need not be encoded.
        p, used = parameters, {entry.of for entry in parameters.derived.values()}
        columns = {f"value[{i}]": name for i, name in enumerate(p.predicted[1], 1)}
        columns |= {f"values[{i}]": name for i, name in enumerate(p.values) if name not in used}
        further = {f"texts.{name}": name for name in p.texts}
        return columns | further | {f"derived.{name}": name for name in p.derived}

    @classmethod
    def names_only(cls, parameters: SeriesParameters) -> Collection[str]:
        """The columns of texts."""
        return parameters.texts

    def _must_have_dates(self) -> None:
        for name, entry in self.parameters.derived.items():
            if entry.unit != "rows" and not self.columns.dates.columns:
                raise UserError(
                    f"data.derived.{name}.unit: found '{entry.unit}' and no column of dates in "
                    f"{self.table.label}, expected rows or one (data.timestamp)"
                )

    @cached_property
    def shapes(self) -> Shapes:
        """Scalars: value, timestamp if there is one, the further columns, what is derived."""
        names = [*self.columns.numeric, *self.columns.texts, *self.parameters.derived]
        if self.columns.dates.columns:
            names.insert(1, "timestamp")
        return dict.fromkeys(names, ())

    @cached_property
    def limit(self) -> int | None:
        """Samples that are used: the first part, if only validation is to be seen; None: all."""
        if self.parameters.held_out == "test":
            return None
        samples = sum(map(len, self._pass(self._growing()).chunks()))
        return max(1, round_half_up(samples * self.parameters.validation_fraction))

    @cached_property
    def scan(self) -> Scan:
        """One pass over all rows that are used; raises UserError at the first that is wrong."""
        samples = 0
        names = [*self.columns.numeric, *self.parameters.derived]
        low, high = dict.fromkeys(names, np.inf), dict.fromkeys(names, -np.inf)
        rows, order = self._pass(self.vocabularies), TimeOrder()
        labels = self._labels()
        first, others = FirstRows(names, self.parameters.range_rows), OtherTexts(self.vocabularies)
        stand_ins = StandIns([*self.columns.numeric])
        for chunk in self._samples(rows):
            first.add(chunk.fields)
            samples += len(chunk)
            if isinstance(labels, Flagged):
                labels.add(rows.flags[: len(chunk)], chunk.reset)
            elif labels is not None:
                labels.add(chunk.fields["timestamp"])
            for name in low:
                low[name] = min(low[name], float(np.fmin.reduce(chunk.fields[name])))
                high[name] = max(high[name], float(np.fmax.reduce(chunk.fields[name])))
            others.add(chunk.fields, rows.rows)
            stand_ins.add(chunk.fields)
            if "timestamp" in chunk.fields:
                order.add(chunk.fields["timestamp"], chunk.reset, rows.rows[: len(chunk)])
        if not samples:
            p = self.parameters
            where = f", where = {p.where}" if p.where else ""
            raise UserError(
                f"{self.table.label}: no rows are left after skip_rows = {p.skip_rows} and "
                f"missing = {p.missing}{where}"
            )
        self._must_have(samples)
        reach = {name: (low[name], high[name]) for name in low}
        ranges = first.ranges(samples) if self.ranges_grow else dict(reach)
        self._settle_ranges(ranges, reach, samples)
        listed = [*stand_ins.notes(self.table, self.columns.numeric, samples)]
        listed += [*self._notes(order), *others.notes(self.table, self.parameters.texts)]
        windows = None if labels is None else labels.windows(self._complete)
        listed += [] if labels is None else labels.notes
        found = samples, ranges, reach, rows.missing, order.median
        return Scan(*found, tuple(listed), windows)

    def _labels(self) -> Flagged | Timed | None:
        """Return what finds labelled windows; raises UserError for a file that cannot be used."""
        p = self.parameters
        if self._labels_path is None:
            return None if p.label is None else Flagged()
        if not self.columns.dates.columns or p.group_by is not None:
            found = "data.group_by" if p.group_by is not None else "no column of dates"
            raise UserError(
                f"data.labels: windows are times, and {self.table.label} has {found}, expected "
                "data.label=COLUMN"
            )
        series = self.table.label if p.path is None else str(self.table.source.path)
        return read_labels(self._labels_path, series, self.columns.dates)

    @property
    def _complete(self) -> bool:
        """Whether no rows are left out on purpose."""
        p = self.parameters
        return not (p.skip_rows or p.rows or p.where or p.held_out == "validation")

    @property
    def windows(self) -> Windows | None:
        """First and last row of what is labelled; reads all rows once."""
        return self.scan.windows if self._labels_path or self.columns.label is not None else None

    def _settle_ranges(self, ranges: Ends, reach: Ends, samples: int) -> None:
        """Set the ranges that follow from the rule of a derived field, and those of texts."""
        for name, entry in self.parameters.derived.items():
            if reach[name][0] > reach[name][1]:
                what = "two different values" if entry.what == "place" else (
                    f"a sample with another {entry.lag:,} {entry.unit} before it"
                )  # fmt: skip
                raise UserError(
                    f"data.derived.{name}: found no value of it in {samples:,} samples, expected "
                    f"{what}"
                )
            if entry.what == "lag":
                ranges[name] = ranges[entry.of]
            elif entry.what == "place":
                ranges[name] = (0.0, 1.0)
        for name, vocabulary in self.vocabularies.items():
            ranges[name] = reach[name] = (0.0, float(vocabulary.other))

    def _must_have(self, samples: int) -> None:
        """Raise UserError where a setting names a sample beyond the last."""
        p = self.parameters
        named = {"score_from": p.score_from}
        # Where a search sees the first part only, the change may come later.
        if p.held_out == "test":
            named |= {"drift_at": p.drift_at or 0}
            named |= {f"changes[{i}].begins": change.begins for i, change in enumerate(p.changes)}
        for setting, place in named.items():
            if place >= samples:
                raise UserError(
                    f"data.{setting}: found {place}, and {self.table.label} has {samples:,} "
                    "samples, expected one of them, counted from 0"
                )

    def _notes(self, order: TimeOrder) -> list[str]:
        """Return lines about the times; raises UserError where they are in no order."""
        if self.parameters.sort is False or not self.columns.dates.columns:
            return []
        return order.notes(self.table, self.columns)

    @property
    def ranges_grow(self) -> bool:
        """Whether they are of the first rows."""
        return self.parameters.range == "first_rows"

    @property
    def reading(self) -> Reading:
        """How rows are read."""
        texts = {name: vocabulary.texts for name, vocabulary in self.vocabularies.items()}
        missing = self.parameters.missing or "error"
        return Reading.of(self.table, self.columns, missing, texts, self.rules)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth a line about the file; reads all rows once."""
        steps = uneven(self) if self.parameters.horizon_unit == "rows" else None
        units = [f"'{unit}'" for unit in self.parameters.units]
        mixed = (
            f"data.units: {' and '.join(units)} are left out and nothing is converted, so numbers "
            "with either must be of the same size"
        )
        own = ([mixed] if len(units) > 1 else []) + ([steps] if steps else [])
        return (*self.columns.dates.notes, *self.scan.notes, *own)

    @cached_property
    def ranges(self) -> Ranges:
        """Lowest and highest value of each numeric field; reads all rows once."""
        return self.scan.ranges

    @property
    def reach(self) -> Ranges:
        """Lowest and highest value of each numeric field; reads all rows once."""
        return self.scan.reach

    @property
    def range_of(self) -> str:
        """Which rows the ranges are of."""
        if self.parameters.range == "file":
            return "the whole file, values that come later included (data.range)"
        rows = rows_of(self.parameters.range_rows, self.samples)
        return f"the first {rows:,} of {self.samples:,} rows (data.range_rows)"

    @cached_property
    def samples(self) -> int:
        """Rows that are used; reads all rows once."""
        return self.scan.samples

    @cached_property
    def median_step(self) -> float | None:
        """Median seconds from one sample to the next; None without timestamps."""
        return self.scan.median_step

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the file's bytes and of the settings that choose rows and columns."""
        # Columns as found, so that naming what would be found anyway changes nothing; what came
        # later is left out where it changes nothing.
        p = self.parameters
        settings = p.model_dump(include={"missing", "skip_rows", "rows", "score_from"})
        settings |= {"delimiter": self.table.delimiter, "columns": self.columns.settings}
        later = {
            "encoding", "comment", "skip_lines", "horizon_unit", "changes", "texts", "derived",
        }  # fmt: skip
        later |= {"sort"} if p.sort else set()
        settings |= p.model_dump(include=later, exclude_defaults=True)
        if self.parameters.held_out == "validation":
            settings["validation"] = self.parameters.validation_fraction
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        source = self.table.source
        if source.path is None:
            digest.update(source.text.encode())
        else:
            with open(source.path, "rb") as f:
                digest.update(hashlib.file_digest(f, "sha256").digest())
        if self._labels_path is not None:
            digest.update(json.dumps(self.windows).encode())
        return digest.hexdigest()

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        """Yield the rows in the order of the file, whatever `seed` and `epoch` are."""
        for block in self._samples(self._pass(self.vocabularies)):
            yield from block.pieces(chunk)

    def _samples(self, rows: RowPass) -> Iterator[Chunk]:
        """Yield the samples that are used, with what is derived."""
        derived = Derived(self.rules)
        for block in self._used(rows):
            yield derived.add(block)
        self.carried = derived.state()  # Of a pass that came to its end, and of no other.

    @cached_property
    def rules(self) -> dict[str, Rule]:
        """How fields are derived; reads the beginning of the rows for the usual step of time."""
        wanted, step = self.parameters.derived, None
        timed = [name for name, entry in wanted.items() if entry.unit != "rows"]
        if timed:
            step = step_among(self._used(self._pass(self._growing())))
            if step is None:
                raise UserError(
                    f"data.derived.{timed[0]}.unit: found '{wanted[timed[0]].unit}' and no date "
                    "later than another, expected rows"
                )
        return {name: Rule.of_parameters(entry, step) for name, entry in wanted.items()}

    @cached_property
    def vocabularies(self) -> dict[str, Vocabulary]:
        """The texts of each column of texts; reads all rows once where they are not listed."""
        given = self.parameters.texts
        growing, found = self._growing(), dict[str, tuple[str, ...]]()
        if not all(given.values()):
            most = self.parameters.range_rows if self.ranges_grow else None
            found = first_texts(self._used(self._pass(growing)), growing, most, SHARE)
        return {name: Vocabulary(texts or found[name]) for name, texts in given.items()}

    def _growing(self) -> dict[str, Vocabulary]:
        return {name: Vocabulary(grows=True) for name in self.parameters.texts}

    def _used(self, rows: RowPass) -> Iterator[Chunk]:
        """Yield the samples that are used; nothing of what comes after them shows anywhere."""
        left = self.limit
        for block in rows.chunks():
            yield block if left is None else block.slice(0, left)
            if left is not None:
                left -= len(block)
                if left <= 0:
                    return

    def _pass(self, vocabularies: Mapping[str, Vocabulary]) -> RowPass:
        return RowPass(self.table, self.columns, self.parameters, vocabularies)
