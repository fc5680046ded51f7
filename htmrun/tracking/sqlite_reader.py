"""Runs read from the SQLite database of MLflow itself, which takes seconds to be imported.

Only what is read often, from tables that have had these columns since MLflow 2. Whatever else is
asked, a question that is not understood here among it, MLflow's own client answers.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from htmrun.tracking.database import mlflow_client

_TABLES = ("experiments", "runs", "tags", "params", "metrics", "latest_metrics")
_TERM = re.compile(
    r"\s*(?:tags\.`(?P<tag>[^`]+)`|attributes\.(?P<column>status))\s*"
    r"(?:=\s*'(?P<value>[^']*)'|(?P<any>LIKE\s+'%'))\s*"
)
_ORDERS = {"attributes.start_time DESC": "DESC", "attributes.start_time ASC": "ASC"}
_PLACES = 500
"""Values in one statement: SQLite allows 999 in its oldest builds."""


class Page(list[Any]):
    """What a search found; there is never a next page."""

    token = None


@dataclass(frozen=True)
class ReadExperiment:
    """An experiment as MLflow's entity has it."""

    experiment_id: str
    name: str
    lifecycle_stage: str = "active"


@dataclass(frozen=True)
class ReadInfo:
    """A run's columns; times in milliseconds since 1970."""

    run_id: str
    run_name: str
    status: str
    start_time: int | None
    end_time: int | None
    lifecycle_stage: str
    artifact_uri: str
    experiment_id: str


@dataclass(frozen=True)
class ReadData:
    """What is written to a run; of each metric the latest value."""

    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class ReadRun:
    """A run as MLflow's entity has it."""

    info: ReadInfo
    data: ReadData


@dataclass(frozen=True)
class ReadPoint:
    """A value of a curve; `timestamp` in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int


class SqliteReader:
    """Answers what readers ask of `MlflowClient`; passes everything else on to it."""

    def __init__(self, path: Path, uri: str) -> None:
        """Raises sqlite3.Error where the file is no database of MLflow's."""
        self._path, self.tracking_uri = path, uri
        self._address = f"{path.resolve().as_uri()}?mode=rw"
        with closing(self._open()) as database:
            for table in _TABLES:
                database.execute(f"SELECT 1 FROM {table} LIMIT 1")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mlflow, name)

    @cached_property
    def _mlflow(self) -> Any:
        return mlflow_client(self.tracking_uri)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._address, uri=True, timeout=60)

    def search_experiments(self, **given: Any) -> Sequence[Any]:
        """Return all that are not deleted, the newest first."""
        if any(value is not None for value in given.values()):
            return self._asked("search_experiments", given)
        with closing(self._open()) as database:
            found = database.execute(
                "SELECT experiment_id, name FROM experiments WHERE lifecycle_stage = 'active' "
                "ORDER BY last_update_time DESC, experiment_id DESC"
            ).fetchall()
        return Page(ReadExperiment(str(number), name) for number, name in found)

    def search_runs(
        self, experiment_ids: Sequence[str], filter_string: str = "", *,
        order_by: Sequence[str] = ("attributes.start_time DESC",), page_token: str | None = None,
        max_results: int | None = None,
    ) -> Sequence[Any]:  # fmt: skip
        """Return the runs that are not deleted and match, as MLflow would, all on one page."""
        asked = _query(filter_string)
        if asked is None or page_token or [*order_by] != [x for x in order_by if x in _ORDERS]:
            return self._asked(
                "search_runs",
                {"experiment_ids": experiment_ids, "filter_string": filter_string,
                 "order_by": list(order_by), "page_token": page_token}
                | ({} if max_results is None else {"max_results": max_results}),
            )  # fmt: skip
        where, values = asked
        places = ",".join("?" * len(experiment_ids))
        most = "" if max_results is None else f" LIMIT {max_results:d}"
        with closing(self._open()) as database:
            return self._runs(
                database,
                f"experiment_id IN ({places}) AND lifecycle_stage = 'active'{where} "
                f"ORDER BY start_time {_ORDERS[order_by[0]]}, run_uuid{most}",
                [*map(int, experiment_ids), *values],
            )

    def get_run(self, run_id: str) -> Any:
        """Return a run; raises what MLflow raises where there is none."""
        with closing(self._open()) as database:
            found = self._runs(database, "run_uuid = ?", [run_id])
        return found[0] if found else self._mlflow.get_run(run_id)

    def get_metric_history(self, run_id: str, key: str) -> Sequence[ReadPoint]:
        """Return all values of a metric."""
        with closing(self._open()) as database:
            found = database.execute(
                "SELECT value, is_nan, timestamp, step FROM metrics WHERE run_uuid = ? AND key = ?",
                (run_id, key),
            ).fetchall()
        return [ReadPoint(key, _number(value, nan), time, step) for value, nan, time, step in found]

    def log_artifact(self, run_id: str, local_path: str, artifact_path: str | None = None) -> None:
        """Copy a file to a run's artifacts: here where they lie on this disk, as MLflow would."""
        place = urlparse(self._artifacts_of(run_id))
        if place.scheme not in ("", "file"):
            self._mlflow.log_artifact(run_id, local_path, artifact_path)
            return
        folder = Path(unquote(place.path)) / (artifact_path or "")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(local_path, folder)

    def _artifacts_of(self, run_id: str) -> str:
        return str(self.get_run(run_id).info.artifact_uri or "")

    def _asked(self, name: str, given: Mapping[str, Any]) -> Any:
        return getattr(self._mlflow, name)(**given)

    def _runs(self, database: sqlite3.Connection, where: str, values: Sequence[Any]) -> Page:
        rows = database.execute(
            "SELECT run_uuid, name, status, start_time, end_time, lifecycle_stage, artifact_uri, "
            f"CAST(experiment_id AS TEXT) FROM runs WHERE {where}",
            values,
        ).fetchall()
        ids = [row[0] for row in rows]
        tags = _by_run(database, "tags", "value, 0", ids)
        params = _by_run(database, "params", "value, 0", ids)
        metrics = _by_run(database, "latest_metrics", "value, is_nan", ids)
        return Page(
            ReadRun(
                ReadInfo(*row),
                ReadData(
                    {key: value for key, value, _ in tags.get(row[0], ())},
                    {key: value for key, value, _ in params.get(row[0], ())},
                    {key: _number(value, nan) for key, value, nan in metrics.get(row[0], ())},
                ),
            )
            for row in rows
        )


def _by_run(
    database: sqlite3.Connection, table: str, columns: str, ids: Sequence[str]
) -> dict[str, list[tuple[str, Any, int]]]:
    found: dict[str, list[tuple[str, Any, int]]] = {}
    for start in range(0, len(ids), _PLACES):
        some = ids[start : start + _PLACES]
        query = f"SELECT run_uuid, key, {columns} FROM {table} WHERE run_uuid IN "
        for run, *rest in database.execute(f"{query}({','.join('?' * len(some))})", some):
            found.setdefault(run, []).append(tuple(rest))
    return found


def _number(value: float, is_nan: int) -> float:
    return float("nan") if is_nan else value


def _query(text: str) -> tuple[str, list[str]] | None:
    """Return the condition and its values; None for a query of other terms than tag and status."""
    where, values = "", []
    for term in text.split(" AND ") if text else []:
        found = _TERM.fullmatch(term)
        if found is None or (found["column"] and found["any"]):
            return None
        if found["column"]:
            where += " AND status = ?"
            values.append(found["value"])
            continue
        where += " AND run_uuid IN (SELECT run_uuid FROM tags WHERE key = ?"
        values.append(found["tag"])
        if found["value"] is not None:
            where += " AND value = ?"
            values.append(found["value"])
        where += ")"
    return where, values
