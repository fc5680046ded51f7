"""What is read from the database itself, against MLflow's own client over the same database."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path
from typing import Any

import mlflow
import pytest

from htmrun.tracking import sqlite_reader
from htmrun.tracking.sqlite_reader import SqliteReader
from htmrun.tracking.store import RUN_TAG, all_experiments, all_runs, open_existing
from tests.helpers.synthetic import records, tracker

QUERIES = (
    "",
    f"tags.`{RUN_TAG}` LIKE '%'",
    f"tags.`{RUN_TAG}` = 'second'",
    f"attributes.status = 'RUNNING' AND tags.`{RUN_TAG}` LIKE '%'",
    "attributes.status = 'FINISHED'",
    "tags.`htmrun.arm` = 'online' AND tags.`htmrun.seed` = '1'",
    "tags.`nobody.has.this` LIKE '%'",
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[SqliteReader, Any]:
    folder = tmp_path_factory.mktemp("runs")
    for name in ("first", "second"):
        with tracker(folder, name, experiment=name) as made:
            for record in records(("online", "minibatch"), 2):
                made.handle(record)
            made.finish("finished")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = mlflow.MlflowClient(tracking_uri=uri)
    where = client.get_experiment_by_name("first").experiment_id
    left = client.create_run(where, start_time=1, tags={RUN_TAG: "third"})
    for step, value in enumerate((1.0, math.nan, math.inf, -0.5)):
        client.log_metric(left.info.run_id, "odd", value, step=step)
    client.log_param(left.info.run_id, "p", "v")
    gone = client.create_run(where, tags={RUN_TAG: "second"})
    client.delete_run(gone.info.run_id)
    client.delete_experiment(client.create_experiment("deleted"))
    return SqliteReader(folder / "mlflow.db", uri), client


def plain(run: Any) -> tuple[Any, ...]:
    info = run.info
    metrics = {key: repr(value) for key, value in run.data.metrics.items()}
    return (
        info.run_id, info.run_name, info.status, info.start_time, info.end_time,
        info.lifecycle_stage, info.artifact_uri, info.experiment_id, dict(run.data.tags),
        dict(run.data.params), metrics,
    )  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("newest_first", [True, False])
def test_the_same_runs_in_the_same_order(
    both: tuple[SqliteReader, Any], query: str, newest_first: bool
) -> None:
    reader, client = both
    everywhere = list(all_experiments(client))
    expected = [plain(run) for run in all_runs(client, everywhere, query, newest_first)]
    found = all_runs(reader, everywhere, query, newest_first)
    assert [plain(run) for run in found] == expected
    assert bool(found) == ("nobody" not in query)
    some = all_runs(reader, everywhere[:1], query, newest_first)
    assert [r.info.run_id for r in some] == [
        r.info.run_id for r in all_runs(client, everywhere[:1], query, newest_first)
    ]


def test_the_same_experiments_runs_and_curves(both: tuple[SqliteReader, Any]) -> None:
    reader, client = both
    assert all_experiments(reader) == all_experiments(client)
    [last] = reader.search_runs(list(all_experiments(client)), max_results=1)
    assert plain(client.get_run(last.info.run_id)) == plain(last)
    for run in all_runs(reader, list(all_experiments(client)), ""):
        for key in run.data.metrics:
            ours, theirs = (
                sorted((p.step, repr(p.value), p.timestamp, p.key) for p in history)
                for history in (
                    reader.get_metric_history(run.info.run_id, key),
                    client.get_metric_history(run.info.run_id, key),
                )
            )
            assert ours == theirs


def test_other_questions_are_mlflows_to_answer(both: tuple[SqliteReader, Any]) -> None:
    reader, client = both
    query = "metrics.accuracy > 0.9"
    ids = list(all_experiments(client))
    found = reader.search_runs(ids, query)
    assert {r.info.run_id for r in found} == {r.info.run_id for r in client.search_runs(ids, query)}
    assert reader.get_experiment_by_name("first").name == "first"
    with pytest.raises(mlflow.exceptions.MlflowException):
        reader.get_run("0" * 32)


def test_many_runs_take_several_statements(
    both: tuple[SqliteReader, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, client = both
    ids = list(all_experiments(client))
    whole = [plain(run) for run in all_runs(reader, ids, "")]
    monkeypatch.setattr(sqlite_reader, "_PLACES", 2)
    assert [plain(run) for run in all_runs(reader, ids, "")] == whole


def test_a_database_that_is_none_of_mlflows_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE runs (a)")
    with pytest.raises(sqlite3.Error):
        SqliteReader(path, f"sqlite:///{path}")


def test_a_command_that_only_reads_reads_so(both: tuple[SqliteReader, Any]) -> None:
    folder = both[0]._path.parent
    assert isinstance(open_existing(None, folder)[1], SqliteReader)


def test_an_artifact_is_kept_where_mlflow_keeps_it(
    both: tuple[SqliteReader, Any], tmp_path: Path
) -> None:
    theirs = both[1]
    ours = SqliteReader(both[0]._path, both[0].tracking_uri)
    page = tmp_path / "page.html"
    page.write_text("whole")
    run = ours.search_runs(list(all_experiments(ours)), f"tags.`{RUN_TAG}` = 'first'")[0]
    ours.log_artifact(run.info.run_id, str(page), "pages")
    found = [file.path for file in theirs.list_artifacts(run.info.run_id, "pages")]
    assert found == ["pages/page.html"]
    assert Path(theirs.download_artifacts(run.info.run_id, found[0])).read_text() == "whole"
    assert "_mlflow" not in vars(ours), "MLflow was asked"
