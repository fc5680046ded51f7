"""The MLflow store: where it is, opening it, and applying operations to it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlparse
from urllib.request import urlopen

from htmrun._imports import mlflow, sqlalchemy
from htmrun.config.store_uri import checked, hide_password
from htmrun.errors import UserError
from htmrun.tracking import holding, moved, sqlite_writer
from htmrun.tracking.database import mlflow_client, prepare_database, set_defaults, sqlite_file
from htmrun.tracking.operations import Attach, Begin, Discard, End, Log, Operation, UseData
from htmrun.tracking.sqlite_reader import SqliteReader
from htmrun.tracking.sqlite_writer import SqliteWriter

RUN_TAG = "htmrun.run"
ATTEMPT_TAG = "htmrun.attempt"
"""One process's work on a run; another attempt at a job has another MLflow run."""
FIRST_STEP = "run `htmrun train experiment=digits` first"
# MLflow's limits for one log_batch call: 100 parameters, 100 tags, 1000 entities in all.
_SMALL_BATCH, _METRIC_BATCH = 100, 800
_ROOM = 1 << 16
_T = TypeVar("_T")


def store_uri(uri: str | None, directory: Path | str) -> str:
    """Return the tracking URI: `uri`, or SQLite in `directory`; raises UserError for a file store.

    Relative SQLite paths become absolute, so that every process means the same file.
    """
    if uri is None:
        return f"sqlite:///{Path(directory).resolve() / 'mlflow.db'}"
    try:
        return checked(uri)
    except ValueError as error:
        raise UserError(f"tracking.uri: {error}") from None


def open_client(uri: str, notice: Callable[[str], None]) -> Any:
    """Return a client of a store that answers, creating a SQLite database where there is none.

    Raises UserError when the store cannot be reached or used.
    """
    _check_server(uri)
    with explained(uri):
        prepare_database(uri, notice)
        path = sqlite_file(uri)
        if path is not None and moved.bring_home(path):
            notice(f"{path.parent} was moved or copied here: its artifacts are those beside it")
        if path is not None:
            set_defaults()
            with suppress(sqlite3.Error, ValueError):  # MLflow says what is wrong with it.
                return SqliteWriter(path, uri)
        client = mlflow_client(uri)
        client.search_experiments(max_results=1)
    return client


def open_existing(uri: str | None, directory: Path | str) -> tuple[str, Any]:
    """Return URI and client of a store that is there already; creates nothing.

    Of a database that cannot be written both are of a copy.

    Raises UserError when there is none, or when it cannot be used.
    """
    target = store_uri(uri, directory)
    path = sqlite_file(target)
    if path is not None and not path.exists():
        raise UserError(f"no runs yet: {path} does not exist; {FIRST_STEP}")
    if path is not None and not moved.writable(path):
        target = f"sqlite:///{moved.readable_copy(path)}"
        path = sqlite_file(target)
    if path is not None:
        moved.bring_home(path)
        with suppress(sqlite3.Error):  # MLflow says what is wrong with it.
            return target, SqliteReader(path, target)
    return target, open_client(target, lambda _: None)


def local_artifact(client: Any, job: Any, name: str, folder: Path) -> Path | None:
    """Return a local copy of an artifact of one of MLflow's runs, None if it has none.

    It is the artifact itself where it lies on this disk; otherwise it is downloaded to `folder`.
    """
    place = urlparse(job.info.artifact_uri or "")
    if place.scheme in ("", "file"):
        path = Path(unquote(place.path)) / name
        return path if path.exists() else None
    try:
        return Path(client.download_artifacts(job.info.run_id, name, str(folder)))
    except (mlflow.exceptions.MlflowException, OSError):
        return None


def newest_run(client: Any) -> Any:
    """Return the MLflow run of htmrun that was started last; raises UserError if there is none."""
    found = client.search_runs(
        list(all_experiments(client)),
        f"tags.`{RUN_TAG}` LIKE '%'",
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    if not found:
        raise UserError(f"no runs yet in this store; {FIRST_STEP}")
    return found[0]


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """Turn what MLflow raises about the store `uri` into a UserError of one line."""
    try:
        yield
    except (OSError, ImportError, sqlite3.Error) as error:
        raise UserError(_unusable(uri, error)) from error
    except Exception as error:
        # What was never imported has raised nothing.
        if "mlflow" in sys.modules and isinstance(
            error, mlflow.exceptions.MlflowException | sqlalchemy.exc.SQLAlchemyError
        ):
            raise UserError(_unusable(uri, error)) from error
        raise


def _unusable(uri: str, error: BaseException) -> str:
    text = " ".join(str(error).split())
    if "out-of-date" in text or "upgrade" in text:
        text = f"made by another version of MLflow; run `mlflow db upgrade {uri}` after a backup"
    path = sqlite_file(uri)
    if path is not None and _is_full(path.parent):
        text = "no space left on the disk"
    return f"tracking.uri: cannot use {hide_password(uri)}: {hide_password(text)[:300]}"


def _is_full(folder: Path) -> bool:
    """Return whether there is no room for what SQLite keeps beside a database while it is read."""
    with suppress(OSError):
        return shutil.disk_usage(folder).free < _ROOM
    return False


def _check_server(uri: str) -> None:
    if not uri.startswith(("http://", "https://")):
        return
    try:
        urlopen(f"{uri}/health", timeout=10).close()
    except HTTPError:
        return  # It answers; whether it lets us in shows with the first real request.
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"tracking.uri: no MLflow server answers at {hide_password(uri)} ({reason}); "
            "start it, or leave the URI out to use SQLite"
        ) from error


def experiment_id(client: Any, uri: str, name: str, artifacts: Path) -> str:
    """Return the id of the experiment `name`, creating it; artifacts of databases lie in a folder.

    Raises UserError when an experiment of this name was deleted in MLflow.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        is_server = uri.startswith(("http", "databricks"))
        location = None if is_server else (artifacts.resolve() / name).as_uri()
        try:
            # The kind makes MLflow's interface open on runs, not on generative-AI traces.
            tags = {"mlflow.experimentKind": "custom_model_development"}
            return client.create_experiment(name, artifact_location=location, tags=tags)
        except mlflow.exceptions.MlflowException:
            found = client.get_experiment_by_name(name)  # Another process was faster.
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise UserError(
            f"tracking.experiment: '{name}' was deleted in MLflow, expected a live experiment; use "
            f"another name or `mlflow experiments restore --experiment-id {found.experiment_id}`"
        )
    return found.experiment_id


class Store:
    """Applies operations to one MLflow experiment; knows the MLflow id of every job's run."""

    def __init__(
        self, client: Any, experiment: str, run: str, *, resume: bool = False, attempt: str = ""
    ) -> None:
        """`experiment` is MLflow's id, `run` the experiment run.

        `resume` finds its jobs' runs first, those of one `attempt` unless that is empty, and of
        jobs that finished before it.
        """
        self.client = client
        self.experiment = experiment
        self.run = run
        self.ids: dict[str, str] = {}
        if resume:
            for found in self._runs(attempt):
                known = self.ids.setdefault(found.info.run_name, found.info.run_id)
                if attempt and known != found.info.run_id:
                    client.delete_run(found.info.run_id)
            for found in self._runs("") if attempt else ():
                if found.info.status == "FINISHED":
                    self.ids.setdefault(found.info.run_name, found.info.run_id)

    def _runs(self, attempt: str) -> list[Any]:
        """Return the MLflow runs of an attempt, or of all if it is empty, the newest first."""
        query = f"tags.`{RUN_TAG}` = '{self.run}'"
        query += f" AND tags.`{ATTEMPT_TAG}` = '{attempt}'" if attempt else ""
        return all_runs(self.client, [self.experiment], query)

    def _begin(self, operation: Begin) -> None:
        """Create a job's run, once: MLflow asks a server again whose answer was lost."""
        made = self.client.create_run(
            self.experiment,
            start_time=operation.time,
            tags=dict(operation.tags),
            run_name=operation.job,
        ).info.run_id
        attempt = operation.tags.get(ATTEMPT_TAG, "")
        if attempt and self.client.tracking_uri.startswith("http"):
            for other in self._runs(attempt):
                if other.info.run_name == operation.job and other.info.run_id != made:
                    self.client.delete_run(other.info.run_id)
        self.ids[operation.job] = made

    def apply(self, operation: Operation) -> None:
        """Do `operation`; doing it a second time changes nothing. Raises what MLflow raises."""
        match operation:
            case Begin():
                if operation.job not in self.ids:
                    self._begin(operation)
            case Log():
                self._log(operation)
            case Attach():
                folder = operation.folder or None
                self.client.log_artifact(self.ids[operation.job], operation.path, folder)
            case UseData():
                self._use(operation)
            case End():
                self.client.set_terminated(
                    self.ids[operation.job], operation.status, operation.time
                )
            case Discard():
                if self.client.get_run(operation.kept).info.lifecycle_stage == "active":
                    self.client.delete_run(operation.kept)

    def _use(self, operation: UseData) -> None:
        rows = operation.samples
        profile = None if rows is None else json.dumps({"num_rows": rows})
        if isinstance(self.client, SqliteWriter):
            self.client.use_data(
                self.ids[operation.job], operation.name, operation.digest, operation.source, profile
            )
            return
        entities = mlflow.entities
        data = entities.Dataset(
            operation.name, operation.digest, "htmrun", operation.source, None, profile
        )
        context = entities.InputTag("mlflow.data.context", "training")
        used = entities.DatasetInput(data, [context])
        self.client.log_inputs(self.ids[operation.job], datasets=[used])

    def _log(self, operation: Log) -> None:
        entities = sqlite_writer if isinstance(self.client, SqliteWriter) else mlflow.entities
        metrics = [entities.Metric(p.name, p.value, p.time, p.step) for p in operation.points]
        parameters = [entities.Param(*pair) for pair in operation.parameters.items()]
        tags = [entities.RunTag(*pair) for pair in operation.tags.items()]
        for some in zip_longest(
            _batches(metrics, _METRIC_BATCH),
            _batches(parameters, _SMALL_BATCH),
            _batches(tags, _SMALL_BATCH),
            fillvalue=(),
        ):
            self.client.log_batch(self.ids[operation.job], *some, synchronous=True)


def _batches(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def all_runs(
    client: Any, experiments: list[str], query: str, newest_first: bool = True
) -> list[Any]:
    """Return every run of `experiments` (MLflow ids) that matches `query`, page by page."""
    order = ["attributes.start_time DESC" if newest_first else "attributes.start_time ASC"]
    runs: list[Any] = []
    token = None
    while experiments:
        page = client.search_runs(experiments, query, order_by=order, page_token=token)
        runs.extend(page)
        token = page.token
        if not token:
            break
    return runs


def all_experiments(client: Any) -> Mapping[str, str]:
    """Return the name of every live experiment by its MLflow id."""
    found: dict[str, str] = {}
    token = None
    while True:
        page = client.search_experiments(page_token=token)
        found |= {experiment.experiment_id: experiment.name for experiment in page}
        token = page.token
        if not token:
            return found


def mark_abandoned(client: Any, directory: Path, own: str) -> None:
    """Mark runs of dead processes KILLED; kill -9 leaves them RUNNING for ever.

    own: the run that this process holds in `directory`.
    """
    query = f"attributes.status = 'RUNNING' AND tags.`{RUN_TAG}` LIKE '%'"
    for run in all_runs(client, list(all_experiments(client)), query):
        tags = run.data.tags
        if not holding.at_work(directory, tags[RUN_TAG], tags, own):
            client.set_tag(run.info.run_id, "htmrun.error", "its process died before the end")
            client.set_terminated(run.info.run_id, "KILLED")
