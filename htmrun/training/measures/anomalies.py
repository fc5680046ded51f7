"""Anomalies of one job while it trains: what its temporal memory did not expect, judged.

Prequential: what is said of a row depends on no row after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from htmrun.backends.plan import Plan
from htmrun.components.pipeline import Outcome
from htmrun.components.registry import register
from htmrun.components.sources import Chunk
from htmrun.components.stages import Stage
from htmrun.training.measures import windows
from htmrun.training.measures.anomaly import log_scale
from htmrun.training.measures.judge import Judge, Judged
from htmrun.training.measures.measure import Found, Measure, Metrics, Run, Saved
from htmrun.training.measures.meters import raw_scores
from htmrun.training.measures.prequential import MOST_LOSSES

Singles = npt.NDArray[np.float32]
ALERT = "alert/"
"""Names of the columns of alerts begin with this."""
_TYPES: dict[str, npt.DTypeLike] = {"alert": np.bool_, "time": np.int64}


class Rows:
    """What was said of each row so far, kept up to a million rows; after that nothing is kept."""

    names: ClassVar = ("raw", "likelihood", "score", "alert", "value", "time")

    def __init__(self) -> None:
        self._parts: dict[str, list[np.ndarray]] = {name: [] for name in self.names}
        self.count = 0

    def add(self, **columns: np.ndarray) -> None:
        """Add rows; columns that are left out stay empty."""
        self.count += len(columns["raw"])
        for name in self.names if self.count > MOST_LOSSES else ():
            self._parts[name].clear()
        for name, values in columns.items() if self.count <= MOST_LOSSES else ():
            self._parts[name].append(values)

    def all(self, name: str, dtype: npt.DTypeLike = np.float64) -> np.ndarray:
        """Return a column, empty where it was left out or nothing is kept."""
        return np.concatenate([np.zeros(0, dtype), *self._parts[name]]).astype(dtype)

    def state(self) -> Saved:
        """Return the columns."""
        kept = {name: np.concatenate(parts) for name, parts in self._parts.items() if parts}
        return {"count": self.count, "columns": kept}

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned."""
        self.count = int(saved["count"])
        self._parts = {
            n: [saved["columns"][n]] if n in saved["columns"] else [] for n in self.names
        }


@register("measure")
class Anomalies(Measure):
    """What the last temporal memory's surprise is judged to be, over the first pass of a stream.

    Metrics where anomalies are what is asked, or where the data have labels. said: of the last
    piece.
    """

    metrics: ClassVar = windows.METRICS
    order = 11

    def begin(self, run: Run) -> None:
        """Start with nothing judged."""
        memories = [stage for stage in run.pipeline.stages if stage.predicts]
        streams = run.source.task != "classification"
        self._memory: Stage | None = memories[-1] if memories and streams else None
        self._first_pass = run.total // run.passes
        self._rows = Rows()
        self._unscored = 0
        self.said: Judged | None = None
        if self._memory is not None:
            self.judge = Judge(run.course.anomaly, self._first_pass, run.source.windows)

    def chunk(self, run: Run, chunk: Chunk, plan: Plan, outcome: Outcome) -> None:
        """Judge a piece of the first pass."""
        memory = self._memory
        if memory is None or run.sample > self._first_pass:
            return
        assert memory.cells is not None
        raw = raw_scores(memory.cells.hits, memory.active_columns)
        values = chunk.fields.get("value") if run.source.task == "forecast" else None
        self.said = said = self.judge.add(raw, values)
        more = {} if values is None else {"value": np.asarray(values, np.float64)}
        if "timestamp" in chunk.fields:
            more["time"] = chunk.fields["timestamp"].astype("datetime64[us]").astype(np.int64)
        if self._unscored == self._rows.count:
            scored = np.flatnonzero(chunk.scored)
            self._unscored += int(scored[0]) if len(scored) else len(chunk)
        self._rows.add(
            raw=raw, likelihood=said.likelihood, score=said.score, alert=said.alert, **more
        )

    def finish(self, run: Run) -> Found:
        """Return metrics, scores row by row as float32, the alerts, and what goes on judging."""
        if self._memory is None:
            return Found()
        rows = self._rows
        if rows.count > MOST_LOSSES:
            note = f"anomalies are judged and not scored: {rows.count:,} rows are above a million"
            return Found(after=self.judge.state(), notes=(note,) if self._asked(run) else ())
        columns = {name: rows.all(name, _TYPES.get(name, np.float64)) for name in rows.names}
        found = scores_of(columns)
        if not self._asked(run):
            return Found({}, found, (), self.judge.state())
        first = max(self.judge.first, self._unscored)
        out, more = verdict(self.judge, columns, first, run.source.windows)
        return Found(out, found | more, (), self.judge.state())

    def _asked(self, run: Run) -> bool:
        return run.task == "anomaly" or run.source.windows is not None

    def state(self) -> Saved:
        """Return what was judged so far, and what judges on."""
        if self._memory is None:
            return {}
        return {"rows": self._rows.state(), "unscored": self._unscored, **self.judge.state()}

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned of the same job."""
        if self._memory is not None:
            self._rows.load(saved["rows"])
            self._unscored = int(saved["unscored"])
            self.judge.load(saved)


def scores_of(columns: Mapping[str, np.ndarray]) -> dict[str, Singles]:
    """Return the series `anomaly/raw`, `/likelihood` and `/log_likelihood`, float32 (T,)."""
    likelihood = columns["likelihood"]
    logarithm = log_scale(likelihood)
    series = {"raw": columns["raw"], "likelihood": likelihood, "log_likelihood": logarithm}
    return {f"anomaly/{name}": values.astype(np.float32) for name, values in series.items()}


def verdict(
    judge: Judge, columns: Mapping[str, np.ndarray], first: int, labels: windows.Windows | None
) -> tuple[Metrics, dict[str, np.ndarray]]:
    """Return the figures of rows that were judged, their score, and a column each of the alerts.

    columns: of `Rows`, by name; first: the first row that is scored. Times of alerts are
    microseconds since 1970.
    """
    alert, times = columns["alert"], columns["time"]
    out = windows.figures(alert, first, labels, times if len(times) else None)
    if judge.threshold is not None:
        out["anomaly/threshold"] = judge.threshold
    at = np.flatnonzero(alert)
    at = at[at >= first]
    found: dict[str, np.ndarray] = {"anomaly/score": columns["score"].astype(np.float32),
             f"{ALERT}row": at, f"{ALERT}window": windows.hit(labels, at)}  # fmt: skip
    for name in ("time", "value", "raw", "likelihood", "score"):
        if len(columns[name]):
            found[f"{ALERT}{name}"] = columns[name][at]
    return out, found
