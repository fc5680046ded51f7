"""What is written to the database itself, row by row against MLflow's own client."""

from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.store.db.utils import _get_latest_schema_revision

from htmrun.tracking import sqlite_writer
from htmrun.tracking.sqlite_writer import Metric, Param, RunTag, SqliteWriter
from htmrun.tracking.store import Store, open_client
from tests.helpers.synthetic import records, tracker

_TABLES = {
    "experiments": "name, lifecycle_stage",
    "experiment_tags": "key, value",
    "runs": "name, source_type, source_name, entry_point_name, user_id, status, start_time, "
    "end_time, source_version, lifecycle_stage, artifact_uri, experiment_id, deleted_time",
    "tags": "key, value",
    "params": "key, value",
    "metrics": "key, value, timestamp, step, is_nan",
    "latest_metrics": "key, value, timestamp, step, is_nan",
    "datasets": "experiment_id, name, digest, dataset_source_type, dataset_source, "
    "dataset_schema, dataset_profile",
    "inputs": "source_type, destination_type, step",
    "input_tags": "name, value",
}
POINTS = (
    Metric("a", 1.0, 10, 1), Metric("a", 2.0, 11, 2), Metric("a", 0.5, 12, 1),
    Metric("same", 1.0, 10, 0), Metric("same", 1.0, 10, 0), Metric("higher", 1.0, 10, 0),
    Metric("higher", 2.0, 10, 0), Metric("higher", 1.5, 10, 0), Metric("odd/nan", math.nan, 9, 0),
    Metric("odd/nan", -1.0, 9, 0), Metric("odd/inf", math.inf, 9, 0),
    Metric("odd/minus", -math.inf, 9, 1), Metric("of: sp/x.y -1", 0.1 + 0.2, 9, 1),
)  # fmt: skip
PARAMS = (Param("sp.columns", "2048"), Param("long", "x" * 6000), Param("empty", ""))
TAGS = (RunTag("htmrun.a", "1"), RunTag("htmrun.a", "2"), RunTag("words", "é\n" * 200))


@pytest.fixture
def uri(runs: Path) -> str:
    """Return the address of a database with one experiment, and nothing in it."""
    made = tracker(runs)
    with made:
        pass
    assert isinstance(made._store.client, SqliteWriter)
    return f"sqlite:///{runs}/mlflow.db"


def rows(uri: str) -> dict[str, Any]:
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database:
        ids = [row[0] for row in database.execute("SELECT run_uuid FROM runs ORDER BY rowid")]
        found = {
            table: sorted(map(repr, database.execute(f"SELECT {columns} FROM {table}")))
            for table, columns in _TABLES.items()
        }
    for place, number in enumerate(ids):
        found["runs"] = [row.replace(number, f"run {place}") for row in found["runs"]]
    return found


def write(client: Any, entities: Any) -> None:
    """Write a run, its values in two batches of which the second repeats some."""

    def batch(points: tuple[Metric, ...], params: tuple[Param, ...]) -> None:
        client.log_batch(
            run,
            [entities.Metric(*p) for p in points],
            [entities.Param(*p) for p in params],
            [entities.RunTag(*t) for t in TAGS],
            synchronous=True,
        )

    experiment = client.get_experiment_by_name("digits").experiment_id
    client.set_experiment_tag(experiment, "note", "first")
    client.set_experiment_tag(experiment, "note", "second")
    tags = {"mlflow.user": "somebody", "htmrun.arm": "online", "htmrun.seed": "0"}
    run = client.create_run(experiment, start_time=5, tags=tags, run_name="online-s000").info.run_id
    batch(POINTS, PARAMS[:2])
    batch((*POINTS[:3], Metric("a", 3.0, 13, 2)), PARAMS)
    client.set_tag(run, "late", "yes")
    client.set_terminated(run, "FINISHED", 20)


def both(uri: str, of: Callable[[Any, Any], None]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what each client leaves, begun with the same database."""
    path = Path(uri.removeprefix("sqlite:///"))
    copy = path.with_name("copy.db")
    copy.write_bytes(path.read_bytes())
    of(SqliteWriter(path, uri), sqlite_writer)
    theirs = f"sqlite:///{copy}"
    of(mlflow.MlflowClient(tracking_uri=theirs), mlflow.entities)
    return rows(uri), rows(theirs)


def test_every_row_is_as_mlflow_writes_it(uri: str) -> None:
    ours, theirs = both(uri, write)
    for table in _TABLES:
        assert ours[table] == theirs[table], table
    assert len(ours["metrics"]) == 13
    assert ours["latest_metrics"][0] == "('a', 3.0, 13, 2, 0)"


def test_data_are_noted_as_mlflow_notes_them(uri: str) -> None:
    from htmrun.tracking.operations import Begin, UseData

    def use(client: Any, _: Any) -> None:
        store = Store(client, client.get_experiment_by_name("digits").experiment_id, "r")
        for job in ("a", "b"):
            store.apply(Begin(job, 5, {"k": "v"}))
            for _ in range(2):
                store.apply(UseData(job, "digits", "abc", '{"kind": "digits"}', 1438))
        store.apply(UseData("b", "other", "abc", "{}", None))

    ours, theirs = both(uri, use)
    assert ours == theirs
    assert len(ours["inputs"]) == 3


@pytest.mark.parametrize(
    ("points", "params", "tags"),
    [
        ([Metric("a\\b", 1.0, 1, 1)], [], []),
        ([Metric("../a", 1.0, 1, 1)], [], []),
        ([], [Param("x" * 251, "1")], []),
        ([], [Param("sp.columns", "1"), Param("sp.columns", "2")], []),
        ([], [], [RunTag("", "1")]),
    ],
)
def test_what_mlflow_refuses_is_refused(
    points: list[Metric], params: list[Param], tags: list[RunTag], uri: str
) -> None:
    client = SqliteWriter(Path(uri.removeprefix("sqlite:///")), uri)
    run = client.create_run("1", tags={}, run_name="r").info.run_id
    before = rows(uri)
    with pytest.raises(mlflow.exceptions.MlflowException):
        client.log_batch(run, points, params, tags)
    assert rows(uri) == before


def test_a_parameter_keeps_its_value(uri: str) -> None:
    client = SqliteWriter(Path(uri.removeprefix("sqlite:///")), uri)
    run = client.create_run("1", tags={}, run_name="r").info.run_id
    client.log_batch(run, params=[Param("a", "1")])
    with pytest.raises(mlflow.exceptions.MlflowException, match="not allowed"):
        client.log_batch(run, [Metric("m", 1.0, 1, 1)], [Param("a", "2")])
    assert rows(uri)["metrics"] == []


def test_a_long_tag_is_cut_as_mlflow_cuts_it(uri: str) -> None:
    def tag(client: Any, entities: Any) -> None:
        run = client.create_run("1", start_time=5, tags={}, run_name="r").info.run_id
        client.log_batch(run, [], [], [entities.RunTag("long", "x" * 9000)])

    ours, theirs = both(uri, tag)
    assert ours["tags"] == theirs["tags"]


def test_a_deleted_run_takes_nothing(uri: str) -> None:
    client = SqliteWriter(Path(uri.removeprefix("sqlite:///")), uri)
    run = client.create_run("1", tags={}, run_name="r").info.run_id
    client.delete_run(run)
    with pytest.raises(mlflow.exceptions.MlflowException):
        client.log_batch(run, [Metric("m", 1.0, 1, 1)])
    with pytest.raises(mlflow.exceptions.MlflowException):
        client.set_terminated(run, "FINISHED", 1)


def test_tables_of_this_mlflow_are_known() -> None:
    """Where this fails MLflow has other tables: look at them, then name their revision."""
    assert _get_latest_schema_revision() in sqlite_writer.REVISIONS.values()


def test_another_revision_is_left_to_mlflow(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_writer, "REVISIONS", {})
    client = open_client(uri, lambda _: None)
    assert isinstance(client, mlflow.MlflowClient)


def test_a_database_of_another_version_is_refused_before_anything(uri: str) -> None:
    path = Path(uri.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '0123'")
    before = rows(uri)
    command = [sys.executable, "-m", "htmrun", "train", "experiment=digits", "--quiet"]
    given = [f"tracking.dir={path.parent}", "seeds=[0]", "arms=[no_sp]"]
    done = subprocess.run([*command, *given], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: tracking.uri: cannot use sqlite:///")
    assert "another version of MLflow" in done.stderr
    assert rows(uri) == before


def test_recording_a_run_imports_no_mlflow(uri: str) -> None:
    folder = Path(uri.removeprefix("sqlite:///")).parent
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from tests.helpers.synthetic import records, tracker
with tracker(Path({str(folder)!r}), "another") as made:
    for record in records():
        made.handle(record)
print([name for name in ("mlflow", "sqlalchemy", "pandas") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
    assert len(rows(uri)["runs"]) == len({record.job for record in records()})
