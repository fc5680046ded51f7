"""A recorded run read back: its configuration, data, versions, and what each job came to."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from htmrun.components import foreign
from htmrun.components.sources import open_source
from htmrun.config.schema import Experiment
from htmrun.config.validation import validate
from htmrun.errors import UserError
from htmrun.tracking.choose_runs import known_runs
from htmrun.tracking.holding import all_begun, begun
from htmrun.tracking.provenance import version_tags
from htmrun.tracking.read_runs import find_run
from htmrun.tracking.scratch import scratch
from htmrun.tracking.settings import legal_name
from htmrun.tracking.store import RUN_TAG, open_existing
from htmrun.training.records import Job

VERSION = "htmrun.version."
COMMAND_TAG = "htmrun.by"
"""Which command made a run that is no training run, e.g. nab."""
RESULTS, CONFIGURATION = "results.json", "experiment.yaml"


@dataclass(frozen=True)
class StoredJob:
    """One job: its figures if it finished, and where MLflow keeps it."""

    job: Job
    status: str
    state_hash: str
    metrics: Mapping[str, float]
    mlflow_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredRun:
    """A whole run; `resolved` is its configuration, `folder` where it was exported to, if so.

    older: MLflow's ids of what attempts before the last one left of a job, by its name.
    """

    run: str
    resolved: dict[str, Any]
    tags: Mapping[str, str]
    jobs: tuple[StoredJob, ...]
    folder: Path | None = None
    older: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def experiment(self) -> Experiment:
        """The configuration as an experiment; UserError if this version does not know it."""
        self.must_have_kinds()
        return validate(self.resolved)

    def must_have_kinds(self) -> None:
        """Raise UserError unless other people's kinds that the run used are here, and the same.

        Also where another command than `train` made the run: its jobs are none that can be trained.
        """
        if (command := self.tags.get(COMMAND_TAG)) is not None:
            raise UserError(
                f"run: {self.run} is of htmrun {command}, expected one of htmrun train; the same "
                "command makes it again"
            )
        foreign.must_have(self.tags, f"as when {self.run} was recorded")

    @property
    def finished(self) -> tuple[StoredJob, ...]:
        """The jobs that came to their end."""
        return tuple(job for job in self.jobs if job.status == "FINISHED")

    @property
    def versions(self) -> dict[str, str]:
        """Versions of Python and packages, by name."""
        return {k.removeprefix(VERSION): v for k, v in self.tags.items() if k.startswith(VERSION)}

    @property
    def data_hash(self) -> str:
        """SHA-256 of the data."""
        return self.tags.get("htmrun.data_hash", "")


def read_run(wanted: str | None, uri: str | None, directory: str) -> StoredRun:
    """Return the newest run, the one whose id begins with `wanted`, or an exported folder's.

    Raises UserError when there is none.
    """
    if wanted is not None and (Path(wanted) / RESULTS).is_file():
        return from_folder(Path(wanted))
    name, client, found = _found(wanted, uri, directory)
    if not found:
        return _without_jobs(name, directory)
    # A job that was run twice, e.g. continued, counts as it ended last.
    latest = {run.info.run_name: run for run in found}
    ordered = sorted(latest.values(), key=lambda run: int(run.data.tags.get("htmrun.index", "0")))
    older: dict[str, list[str]] = {}
    for run in found:
        if run is not latest[run.info.run_name]:
            older.setdefault(run.info.run_name, []).append(run.info.run_id)
    return StoredRun(
        name,
        _resolved(client, name, ordered, directory),
        dict(ordered[0].data.tags),
        tuple(map(_job, ordered)),
        older=older,
    )


def _found(wanted: str | None, uri: str | None, directory: str) -> tuple[str, Any, Sequence[Any]]:
    """Return id, client and MLflow's runs, none of a run that was cut short before its first."""
    early = all_begun(directory)
    meant = [one for one in early if wanted is None or one.run.startswith(wanted)]
    try:
        _, client = open_existing(uri, directory)
        name, found = find_run(client, wanted)
    except UserError:
        if len(meant) == 1 or (wanted is None and meant):
            return meant[0].run, None, ()
        raise
    if wanted is None and meant and meant[0].run != name:
        known = known_runs(client, f"tags.`{RUN_TAG}` = '{meant[0].run}'")
        if not known and meant[0].begun * 1000 > max(run.info.start_time for run in found):
            return meant[0].run, None, ()
    return name, client, found


def _without_jobs(name: str, directory: str) -> StoredRun:
    """Return a run of which only the configuration was written."""
    known = begun(directory, name)
    if known is None:
        raise UserError(f"run: {name} has nothing that can be read, expected its configuration")
    return StoredRun(name, known.resolved, known.tags, ())


def _job(run: Any) -> StoredJob:
    tags = run.data.tags
    job = Job(tags["htmrun.arm"], int(tags["htmrun.seed"]), tags.get("htmrun.control") == "true")
    names = [name for name in tags.get("htmrun.metrics", "").split(",") if name]
    metrics = {n: run.data.metrics[legal_name(n)] for n in names if legal_name(n) in
               run.data.metrics}  # fmt: skip
    state = tags.get("htmrun.state_hash", "")
    return StoredJob(job, run.info.status, state, metrics, run.info.run_id, dict(tags))


def _resolved(client: Any, name: str, runs: Sequence[Any], directory: str) -> dict[str, Any]:
    """Return the configuration: of the run's folder, or what the first job which has it keeps."""
    if (known := begun(directory, name)) is not None:
        return known.resolved
    with scratch() as folder:
        for run in runs:
            try:
                path = client.download_artifacts(run.info.run_id, "resolved.yaml", str(folder))
            except Exception:  # MLflow raises what its store does; the next job may have it.
                continue
            found: dict[str, Any] = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
            return found
    raise UserError(f"run: {name} has no resolved.yaml among its artifacts, expected one")


def from_folder(folder: Path) -> StoredRun:
    """Return the run that was exported to `folder`; UserError if its files are not whole."""
    try:
        kept = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        resolved = yaml.safe_load((folder / CONFIGURATION).read_text(encoding="utf-8"))
        jobs = tuple(StoredJob(**{**job, "job": Job(**job["job"])}) for job in kept["jobs"])
        return StoredRun(kept["run"], resolved, kept["tags"], jobs, folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder}: no whole export ({error}), expected {RESULTS} and {CONFIGURATION}"
        ) from None


def write_results(run: StoredRun, folder: Path) -> None:
    """Write results.json, which `from_folder` reads, and results.csv for people."""
    kept = {
        "run": run.run,
        "tags": {k: v for k, v in run.tags.items() if k.startswith("htmrun.") or "commit" in k},
        "jobs": [{**asdict(job), "mlflow_id": "", "tags": {}} for job in run.jobs],
    }
    (folder / RESULTS).write_text(json.dumps(kept, indent=1), encoding="utf-8")
    with (folder / "results.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["arm", "seed", "figure", "value"])
        for job in run.finished:
            for name, value in job.metrics.items():
                writer.writerow([job.job.arm, job.job.seed, name, repr(value)])


def must_have_data(run: StoredRun, experiment: Experiment) -> None:
    """Raise UserError unless the data are those that the run was made on."""
    found = open_source(experiment.data, base_dir=run.folder).fingerprint
    if run.data_hash and found != run.data_hash:
        raise UserError(
            f"data: its hash is {found[:12]}, expected {run.data_hash[:12]} as when {run.run} was "
            "recorded: the data have changed"
        )


def other_versions(run: StoredRun) -> list[str]:
    """Return a line for each package whose version is not that of the run."""
    here = {k.removeprefix(VERSION): v for k, v in version_tags().items()}
    return [
        f"{name} is {here.get(name, 'absent')} here and was {version} there"
        for name, version in run.versions.items()
        if here.get(name) != version
    ]
