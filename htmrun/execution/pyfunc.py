"""A kept model as MLflow loads and serves it: rows of a data frame in, forecasts out.

From call to call the stream goes on, so rows come in their order; nothing is learned.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

from htmrun._imports import pandas
from htmrun.errors import UserError
from htmrun.execution.live import Live
from htmrun.execution.saved import Saved


class Served:
    """What `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, live: Live) -> None:
        self._live, self._lock = live, Lock()

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pandas.DataFrame:
        """Return a row for each row: see `Live.take`. Raises UserError for one that is wrong."""
        frame = pandas.DataFrame(model_input)
        reading = self._live.reader.reading
        reading.must_be_there(list(map(str, frame.columns)), "data frame")
        columns = [frame[name] for name in reading.columns]
        cells = [["" if pandas.isna(cell) else str(cell) for cell in column] for column in columns]
        rows = [dict(zip(reading.columns, row, strict=True)) for row in zip(*cells, strict=True)]
        with self._lock:
            try:
                return pandas.DataFrame(self._live.take(rows), columns=self._live.names)
            except ValueError as error:
                raise UserError(f"data frame: {error}") from None


def _load_pyfunc(path: str) -> Served:
    """Return the model that MLflow asks for; `path`: of its file."""
    live = Live(Saved.read(Path(path)), learn=False)
    live.reader.reading = live.reader.reading.plain
    return Served(live)
