"""Runs written to the SQLite database of MLflow itself, whose client takes seconds to be imported.

Row for row what MLflow's client of the same version writes, in one transaction where it takes
many. Only a database of a version whose tables are known here is written to; whatever else is
asked, names and values that MLflow would cut or refuse among it, MLflow's own client answers.
"""

from __future__ import annotations

import math
import posixpath
import re
import sqlite3
import sys
import time
import uuid
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlparse

from htmrun._imports import mlflow
from htmrun.tracking.sqlite_reader import (
    ReadData,
    ReadExperiment,
    ReadInfo,
    ReadRun,
    SqliteReader,
)

REVISIONS: Mapping[str, str] = {"3.17": "dc11669786a5"}
"""The revision of the tables that each version of MLflow makes, of those that are known."""
LONGEST_NAME, LONGEST_PARAMETER, LONGEST_TAG, LONGEST_OF_EXPERIMENT = 250, 6000, 8000, 20_000
_NAME = re.compile(r"[/\w.\- :]+")
_RUN = (
    "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, "
    "status, start_time, source_version, lifecycle_stage, artifact_uri, experiment_id) "
    "VALUES (?, ?, 'UNKNOWN', '', '', ?, 'RUNNING', ?, '', 'active', ?, ?)"
)
_TAG = (
    "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?) "
    "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value"
)
_POINT = "(key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)"
_METRIC = f"INSERT OR IGNORE INTO metrics {_POINT}"
_LATEST = (
    f"INSERT INTO latest_metrics {_POINT} ON CONFLICT (key, run_uuid) DO UPDATE SET "
    "value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, "
    "is_nan = excluded.is_nan WHERE (excluded.step, excluded.timestamp, excluded.value) > "
    "(latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)"
)


class Metric(NamedTuple):
    """A value, as MLflow's entity has it; `timestamp` in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int


class Param(NamedTuple):
    """A parameter, as MLflow's entity has it."""

    key: str
    value: str


class RunTag(NamedTuple):
    """A tag, as MLflow's entity has it."""

    key: str
    value: str


class SqliteWriter(SqliteReader):
    """Does what a tracker asks of `MlflowClient`; passes everything else on to it."""

    def __init__(self, path: Path, uri: str) -> None:
        """Raises sqlite3.Error where the file is no database of MLflow's, ValueError of another."""
        super().__init__(path, uri)
        known = REVISIONS.get(".".join(version("mlflow").split(".")[:2]))
        with closing(self._open()) as database:
            found = database.execute("SELECT version_num FROM alembic_version").fetchall()
        if found != [(known,)]:
            raise ValueError(f"found tables of revision {found}, expected {known}")

        # Kept open: the last connection to be closed folds the whole log into the database.
        # Whoever reads first and then writes would be refused where another wrote between.
        self._database = sqlite3.connect(
            self._address, uri=True, timeout=60, isolation_level="IMMEDIATE",
            check_same_thread=False,
        )  # fmt: skip
        weakref.finalize(self, self._database.close)
        self._made: dict[str, str] = {}

    def get_experiment_by_name(self, name: str) -> ReadExperiment | None:
        """Return an experiment, a deleted one too; None where there is none of this name."""
        with self._database as database:
            found = database.execute(
                "SELECT experiment_id, name, lifecycle_stage FROM experiments WHERE name = ?",
                (name,),
            ).fetchall()
        return ReadExperiment(str(found[0][0]), *found[0][1:]) if len(found) == 1 else None

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Tag an experiment that is not deleted."""
        if _is_name(key) and len(value) <= LONGEST_OF_EXPERIMENT:
            with self._database as database:
                if _lives(database, "experiments", "experiment_id", int(experiment_id)):
                    database.execute(
                        "INSERT INTO experiment_tags (key, value, experiment_id) VALUES (?, ?, ?) "
                        "ON CONFLICT (key, experiment_id) DO UPDATE SET value = excluded.value",
                        (key, value, int(experiment_id)),
                    )
                    return
        self._mlflow.set_experiment_tag(experiment_id, key, value)

    def create_run(
        self, experiment_id: str, start_time: int | None = None,
        tags: Mapping[str, Any] | None = None, run_name: str | None = None,
    ) -> ReadRun:  # fmt: skip
        """Return a new run; its artifacts will lie beside those of the experiment."""
        place = self._artifacts(experiment_id)
        tags = tags or {}
        plain = [RunTag(key, str(value)) for key, value in tags.items()]
        if (
            not run_name
            or place is None
            or "mlflow.runName" in tags
            or not _all_plain((), (), plain)
        ):
            made: ReadRun = self._mlflow.create_run(experiment_id, start_time, tags, run_name)
            return made
        number = uuid.uuid4().hex
        begun = start_time or time.time_ns() // 1_000_000
        user = tags.get("mlflow.user", "unknown")
        artifacts = f"{place.rstrip('/')}/{number}/artifacts"
        with self._database as database:
            database.execute(_RUN, (number, run_name, user, begun, artifacts, int(experiment_id)))
            named = [*plain, RunTag("mlflow.runName", run_name)]
            database.executemany(_TAG, [(*tag, number) for tag in named])
        self._made[number] = artifacts
        info = ReadInfo(
            number, run_name, "RUNNING", begun, None, "active", artifacts, str(experiment_id)
        )
        return ReadRun(info, ReadData({tag.key: tag.value for tag in named}, {}, {}))

    def log_batch(
        self, run_id: str, metrics: Sequence[Any] = (), params: Sequence[Any] = (),
        tags: Sequence[Any] = (), synchronous: bool = True,
    ) -> None:  # fmt: skip
        """Write to a run that is not deleted: all of it or nothing."""
        if _all_plain(metrics, params, tags):
            with self._database as database:
                if _lives(database, "runs", "run_uuid", run_id) and _same(database, run_id, params):
                    _write(database, run_id, metrics, params, tags)
                    return
        given = [*_of_mlflow(metrics, params, tags)]
        self._mlflow.log_batch(run_id, *given, synchronous=synchronous)

    def set_tag(self, run_id: str, key: str, value: Any) -> None:
        """Tag a run."""
        self.log_batch(run_id, tags=[RunTag(key, str(value))])

    def set_terminated(
        self, run_id: str, status: str | None = None, end_time: int | None = None
    ) -> None:
        """Close a run that is not deleted."""
        ended = end_time or time.time_ns() // 1_000_000
        with self._database as database:
            done = database.execute(
                "UPDATE runs SET status = ?, end_time = ? "
                "WHERE run_uuid = ? AND lifecycle_stage = 'active'",
                (status or "FINISHED", ended, run_id),
            ).rowcount
        if not done:
            self._mlflow.set_terminated(run_id, status, end_time)

    def use_data(
        self, run_id: str, name: str, digest: str, source: str, profile: str | None
    ) -> None:
        """Note that a run was trained on a data set: what `log_inputs` does with one of htmrun."""
        with self._database as database:
            (experiment,) = database.execute(
                "SELECT experiment_id FROM runs WHERE run_uuid = ?", (run_id,)
            ).fetchone()
            database.execute(
                "INSERT OR IGNORE INTO datasets (dataset_uuid, experiment_id, name, digest, "
                "dataset_source_type, dataset_source, dataset_profile) "
                "VALUES (?, ?, ?, ?, 'htmrun', ?, ?)",
                (uuid.uuid4().hex, experiment, name, digest, source, profile),
            )
            (data,) = database.execute(
                "SELECT dataset_uuid FROM datasets "
                "WHERE experiment_id = ? AND name = ? AND digest = ?",
                (experiment, name, digest),
            ).fetchone()
            edge = uuid.uuid4().hex
            made = database.execute(
                "INSERT OR IGNORE INTO inputs (input_uuid, source_type, source_id, "
                "destination_type, destination_id) VALUES (?, 'DATASET', ?, 'RUN', ?)",
                (edge, data, run_id),
            ).rowcount
            if made:
                database.execute(
                    "INSERT INTO input_tags VALUES (?, 'mlflow.data.context', 'training')", (edge,)
                )

    def _artifacts_of(self, run_id: str) -> str:
        return self._made.get(run_id) or super()._artifacts_of(run_id)

    def _artifacts(self, experiment_id: str) -> str | None:
        """Return where a live experiment keeps artifacts; None where MLflow is to say."""
        with self._database as database:
            found = database.execute(
                "SELECT artifact_location FROM experiments "
                "WHERE experiment_id = ? AND lifecycle_stage = 'active'",
                (int(experiment_id),),
            ).fetchone()
        place = urlparse(found[0] or "") if found else None
        plain = place is not None and place.scheme == "file" and not (place.query or place.fragment)
        return str(found[0]) if plain else None


def _write(
    database: sqlite3.Connection, run: str, metrics: Iterable[Any], params: Iterable[Any],
    tags: Iterable[Any],
) -> None:  # fmt: skip
    points = [(m.key, *_stored(m.value), m.timestamp, m.step) for m in metrics]
    rows = [(key, value, at, step, nan, run) for key, value, nan, at, step in points]
    database.executemany(_METRIC, rows)
    database.executemany(_LATEST, rows)
    database.executemany(
        "INSERT OR IGNORE INTO params (key, value, run_uuid) VALUES (?, ?, ?)",
        [(p.key, p.value, run) for p in params],
    )
    database.executemany(_TAG, [(t.key, t.value, run) for t in tags])


def _stored(value: float) -> tuple[float, bool]:
    """Return what stands for a value in SQL, which has neither NaN nor infinities; is it NaN."""
    if math.isnan(value):
        return 0.0, True
    return max(-sys.float_info.max, min(sys.float_info.max, float(value))), False


def _lives(database: sqlite3.Connection, table: str, key: str, number: str | int) -> bool:
    query = f"SELECT 1 FROM {table} WHERE {key} = ? AND lifecycle_stage = 'active'"
    return database.execute(query, (number,)).fetchone() is not None


def _same(database: sqlite3.Connection, run: str, params: Sequence[Any]) -> bool:
    """Return whether no parameter has another value already, nor twice."""
    if not params:
        return True
    found = dict(database.execute("SELECT key, value FROM params WHERE run_uuid = ?", (run,)))
    given = {p.key: p.value for p in params}
    return len(given) == len(params) and all(found.get(k, v) == v for k, v in given.items())


def _all_plain(metrics: Iterable[Any], params: Iterable[Any], tags: Iterable[Any]) -> bool:
    """Return whether MLflow would take all of this as it is."""
    return (
        all(_is_name(m.key) and isinstance(m.value, float) for m in metrics)
        and all(_is_name(p.key) and len(p.value) <= LONGEST_PARAMETER for p in params)
        and all(_is_name(t.key) and len(t.value) <= LONGEST_TAG for t in tags)
    )


def _is_name(name: str) -> bool:
    return (
        len(name) <= LONGEST_NAME
        and _NAME.fullmatch(name) is not None
        and posixpath.normpath(name) == name
        and not name.startswith(("/", ".."))
        and name != "."
    )


def _of_mlflow(*given: Sequence[Any]) -> Iterable[list[Any]]:
    entities = mlflow.entities
    for kind, some in zip((entities.Metric, entities.Param, entities.RunTag), given, strict=True):
        yield [kind(*one) if isinstance(one, tuple) else one for one in some]
