"""What was said of each row of a series: forecasts, their intervals, anomaly scores, alerts.

Each row has what was made at it, before it was learned, so a table reads as `htmrun predict` writes
it. Of several passes over one series it is the first: later ones forecast what was learned before.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from htmrun.backends.plan import Plan
from htmrun.components.classifiers import Readout
from htmrun.components.classifiers.scores import Scores
from htmrun.components.pipeline import Outcome, Pipeline
from htmrun.components.registry import register
from htmrun.components.sources import Chunk
from htmrun.components.stages import Stage
from htmrun.training.measures.anomalies import Anomalies
from htmrun.training.measures.judge import Judge, Judged
from htmrun.training.measures.measure import Found, Measure, Run, Saved
from htmrun.training.measures.meters import raw_scores

Columns = dict[str, np.ndarray]

INTERVAL = (0.05, 0.95)
"""Between these shares of a forecast's distribution its interval lies."""
ENDS = ("low", "high")
_NUMBER = 8
_SECONDS, _MICROSECONDS = np.dtype("datetime64[s]"), np.dtype("datetime64[us]")


def made_here(scores: Sequence[Scores], readout: Readout, count: int) -> Columns:
    """Return `forecast_H`, `low_H` and `high_H` (T,) made at each of the last `count` samples.

    scores: what the pipeline said of these samples, which was made earlier. What was made here is
    among it as far as it has come true, and otherwise pending.
    """
    columns: Columns = {}
    pending = {one.horizon: one for one in readout.pending()}
    kind = readout.targets.estimate
    for due in scores:
        h, made = due.horizon, pending[due.horizon]
        if count > h:  # Some of it has come true already.
            made = Scores.joined([due.take(np.arange(count) >= h), made])
        made = made.last(count)
        found = made.quantiles((*INTERVAL, 0.5) if kind == "median" else INTERVAL)
        columns[f"forecast_{h}"] = found[2] if kind == "median" else made.estimate(kind)
        columns |= {f"{name}_{h}": found[i] for i, name in enumerate(ENDS)}
    return columns


def made_at_one(scores: Sequence[Scores], readout: Readout, of: str = "") -> dict[str, float]:
    """Return what `made_here` does of a single sample, as numbers; `of`: behind each name."""
    columns: dict[str, float] = {}
    newest = {one.horizon: one for one in readout.newest()}
    kind = readout.targets.estimate
    shares = (*INTERVAL, 0.5) if kind == "median" else INTERVAL
    for h in (due.horizon for due in scores):
        made = newest[h]
        low, high, *middle = made.of_one(shares)
        columns[f"forecast_{h}{of}"] = middle[0] if middle else made.estimate(kind).item()
        columns[f"low_{h}{of}"], columns[f"high_{h}{of}"] = low, high
    return columns


def of_others(outcome: Outcome, pipeline: Pipeline, chunk: Chunk) -> Columns:
    """Return `value/COLUMN` and what `made_here` does of each further column that is forecast."""
    columns: Columns = {}
    for name, readout in pipeline.others.items():
        columns[f"value/{name}"] = np.asarray(chunk.others[name], np.float64)
        made = made_here(outcome.others[name], readout, len(chunk))
        columns |= {f"{what}/{name}": values for what, values in made.items()}
    return columns


def memory_of(stages: Sequence[Stage]) -> Stage | None:
    """Return the stage whose anomaly scores count: the last temporal memory, None without one."""
    memories = [stage for stage in stages if stage.predicts]
    return memories[-1] if memories else None


def raw_of(memory: Stage) -> npt.NDArray[np.float64]:
    """Return the anomaly scores (T,) of the samples that the memory has just seen."""
    assert memory.cells is not None
    return raw_scores(memory.cells.hits, memory.active_columns)


def raw_of_one(memory: Stage) -> float:
    """Return what `raw_of` does of a single sample."""
    assert memory.cells is not None
    hits, active = memory.cells.hits.item(), memory.active_columns.item()
    return float(1 - hits / max(active, 1) - (active == 0))


def judged(raw: npt.NDArray[np.float64], said: Judged, judge: Judge) -> Columns:
    """Return `anomaly`, `likelihood` and `alert` (0 or 1), each (T,), of rows that were judged.

    Between them `score`, where that is another figure than the likelihood.
    """
    score = {"score": said.score} if judge.says_more else {}
    alert = said.alert.astype(np.int64)
    return {"anomaly": raw, "likelihood": said.likelihood, **score, "alert": alert}


def time_texts(times: np.ndarray) -> list[str]:
    """Return times (T,) as texts, without a fraction of a second where none of them has one."""
    if len(times) == 1 and times.dtype == _MICROSECONDS:
        time = times.item()
        if isinstance(time, datetime.datetime):
            return [time.isoformat()]
    whole = times.astype(_SECONDS)
    return [str(time) for time in (whole if (whole == times).all() else times)]


def too_large(size: float, limit: float) -> str:
    """Return the line about a job whose table of `size` bytes is not kept, `limit` being less."""
    return (
        f"tracking.forecasts_mb: forecasts row by row take {size / 1e6:,.1f} MB a job, more than "
        f"{limit / 1e6:g}: they are not kept"
    )


@register("measure")
class Forecasts(Measure):
    """Keeps what was said of each row of the first pass, where a series is forecast."""

    order = 65

    def begin(self, run: Run) -> None:
        """Decide whether there is something to keep, and room for it."""
        self._chunks: list[Columns] = []
        self._notes: tuple[str, ...] = ()
        self._first_pass = run.total // run.passes
        self._memory = memory_of(run.pipeline.stages)
        targets, limit = run.pipeline.readout.targets, run.course.forecast_bytes
        pending = {one.horizon for one in run.pipeline.readout.pending()}
        self._keep = (
            limit > 0 and run.source.task == "forecast" and pending.issuperset(targets.horizons)
        )
        columns = 1 + (1 + 3 * len(targets.horizons)) * (1 + len(run.pipeline.others))
        columns += run.source.windows is not None
        if self._keep and self._memory is not None:
            columns += 4 if run.measure(Anomalies).judge.says_more else 3
        size = self._first_pass * columns * _NUMBER
        if self._keep and size > limit:
            self._keep, self._notes = False, (too_large(size, limit),)

    def chunk(self, run: Run, chunk: Chunk, plan: Plan, outcome: Outcome) -> None:
        """Add what was said of a piece."""
        if not self._keep or run.sample > self._first_pass:
            return
        columns: Columns = {"value": np.asarray(chunk.target, np.float64)}
        if "timestamp" in chunk.fields:
            times = chunk.fields["timestamp"].astype("datetime64[us]")
            columns = {"time": times, **columns}
        columns |= made_here(outcome.scores, run.pipeline.readout, len(chunk))
        columns |= of_others(outcome, run.pipeline, chunk)
        if self._memory is not None:
            anomalies = run.measure(Anomalies)
            assert anomalies.said is not None
            columns |= judged(raw_of(self._memory), anomalies.said, anomalies.judge)
        self._chunks.append(columns)

    def finish(self, run: Run) -> Found:
        """Return the table by column; `label` is 1 in labelled windows, where data have labels."""
        found = joined(self._chunks)
        if found and run.source.windows is not None:
            found["label"] = np.zeros(len(found["value"]), np.int64)
            for first, last in run.source.windows:
                found["label"][first : last + 1] = 1
        return Found(notes=self._notes, forecasts=found)

    def state(self) -> Saved:
        """Return what was kept so far; times as microseconds since 1970."""
        found = joined(self._chunks)
        if "time" in found:
            found["time"] = found["time"].astype(np.int64)
        return {"columns": found}

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned."""
        found: Columns = dict(saved["columns"])
        if "time" in found:
            found["time"] = found["time"].astype("datetime64[us]")
        self._chunks = [found] if found else []


def joined(chunks: Sequence[Mapping[str, np.ndarray]]) -> Columns:
    """Return the columns of consecutive pieces as one table, empty without a piece."""
    if not chunks:
        return {}
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
