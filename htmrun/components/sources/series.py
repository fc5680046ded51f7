"""A series to forecast, streamed from a CSV file or from one that ships in a dependency.

Each sample is scored before it is learned, so there is no held-out part. Memory holds one
block of rows, whatever the length of the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from htmrun.backends.parameters import round_half_up
from htmrun.components.registry import register
from htmrun.components.sources import Chunk, Task, resolve_path
from htmrun.components.sources.bundled import bundled_series
from htmrun.components.sources.columns import find_columns
from htmrun.components.sources.csv_table import CSVTable, TextSource
from htmrun.components.sources.parameters import SeriesParameters
from htmrun.components.sources.rows import RowPass
from htmrun.components.sources.timestamps import Seconds
from htmrun.errors import UserError

STEPS_KEPT = 100_000


@dataclass(frozen=True)
class Scan:
    """What one pass over the data tells.

    samples: rows that are used. ranges: lowest and highest value per numeric field.
    missing: values that were missing. median_step: seconds between samples, over the first
    100,000 of them; None without timestamps.
    """

    samples: int
    ranges: dict[str, tuple[float, float]]
    missing: int
    median_step: float | None


@register("source", SeriesParameters)
class SeriesSource:
    """A table whose column `value` is forecast; the header is read at once, the rows later."""

    task: Task = "forecast"
    classes = 0
    class_names: tuple[str, ...] = ()

    def __init__(self, parameters: SeriesParameters, base: Path) -> None:
        if parameters.path is None:
            bundled = bundled_series(parameters.name)
            text = bundled.text
            self.name: str = parameters.name
            defaults = {"timestamp_format": bundled.timestamp_format, "missing": "previous"}
        else:
            path = resolve_path(parameters.path, base)
            text = TextSource(str(path), path)
            self.name = path.name.split(".")[0]
            defaults = {"missing": "error"}
        given = {k: v for k, v in defaults.items() if getattr(parameters, k) is None}
        self.parameters = parameters.model_copy(update=given)
        self.table = CSVTable(text, parameters.delimiter)
        self.columns = find_columns(self.table, self.parameters)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Scalars: value, timestamp if there is one, and the further columns."""
        names = [*self.columns.numeric]
        if self.columns.timestamp is not None:
            names.insert(1, "timestamp")
        return dict.fromkeys(names, ())

    @cached_property
    def limit(self) -> int | None:
        """Samples that are used: the first part, if only validation is to be seen; None: all."""
        if self.parameters.held_out == "test":
            return None
        samples = sum(map(len, self._pass().chunks()))
        return max(1, round_half_up(samples * self.parameters.validation_fraction))

    @cached_property
    def scan(self) -> Scan:
        """One pass over all rows that are used; raises UserError at the first that is wrong."""
        samples = kept = 0
        low = dict.fromkeys(self.columns.numeric, np.inf)
        high = dict.fromkeys(self.columns.numeric, -np.inf)
        times: list[Seconds] = []
        rows = self._pass()
        for chunk in self._used(rows):
            samples += len(chunk)
            for name in low:
                low[name] = min(low[name], float(chunk.fields[name].min()))
                high[name] = max(high[name], float(chunk.fields[name].max()))
            if "timestamp" in chunk.fields and kept < STEPS_KEPT:
                times.append(chunk.fields["timestamp"])
                kept += len(chunk)
        if not samples:
            raise UserError(
                f"{self.table.label}: no rows are left after skip_rows = "
                f"{self.parameters.skip_rows} and missing = {self.parameters.missing}"
            )
        ranges = {name: (low[name], high[name]) for name in low}
        step = None
        if kept > 1:
            seconds = np.concatenate(times)[:STEPS_KEPT].astype(np.int64)
            step = float(np.median(np.diff(seconds)))
        return Scan(samples, ranges, rows.missing, step)

    @property
    def ranges(self) -> Mapping[str, tuple[float, float]]:
        """Lowest and highest value of each numeric field; reads all rows once."""
        return self.scan.ranges

    @property
    def samples(self) -> int:
        """Rows that are used; reads all rows once."""
        return self.scan.samples

    @property
    def median_step(self) -> float | None:
        """Median seconds from one sample to the next; None without timestamps."""
        return self.scan.median_step

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the file's bytes and of the settings that choose rows and columns."""
        # Columns as found, so that naming what would be found anyway changes nothing.
        settings = self.parameters.model_dump(
            include={"delimiter", "missing", "skip_rows", "rows", "score_from"}
        )
        settings["columns"] = asdict(self.columns)
        if self.parameters.held_out == "validation":
            settings["validation"] = self.parameters.validation_fraction
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        source = self.table.source
        if source.path is None:
            digest.update(source.text.encode())
        else:
            with open(source.path, "rb") as f:
                digest.update(hashlib.file_digest(f, "sha256").digest())
        return digest.hexdigest()

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        """Yield the rows in the order of the file, whatever `seed` and `epoch` are."""
        for block in self._used(self._pass()):
            yield from block.pieces(chunk)

    def test(self, chunk: int) -> None:
        """Return None: predictions are scored as the series goes by."""

    def _used(self, rows: RowPass) -> Iterator[Chunk]:
        """Yield the samples that are used; nothing of what comes after them shows anywhere."""
        left = self.limit
        for block in rows.chunks():
            yield block if left is None else block.slice(0, left)
            if left is not None:
                left -= len(block)
                if left <= 0:
                    return

    def _pass(self) -> RowPass:
        return RowPass(self.table, self.columns, self.parameters)
