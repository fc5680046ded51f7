"""The models that a run's jobs left."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from htmrun.errors import UserError, one_of
from htmrun.execution.saved import FILE, FOLDER, Saved
from htmrun.tracking.read_runs import ExperimentRun, find_run, gather
from htmrun.tracking.store import local_artifact, open_existing


def find_model(
    wanted: str, arm: str | None, seed: int | None, uri: str | None, directory: str
) -> Saved:
    """Return the model of an arm and seed of a run, or of the folder of one.

    wanted: as in `find_run`, or a folder. arm: may be left out where there is one only; seed: None
    means the first. Raises UserError where there is none, or several.
    """
    if (Path(wanted) / FILE).is_file():
        return Saved.read(Path(wanted))
    _, client = open_existing(uri, directory)
    run = gather(*find_run(client, wanted))
    if run.task == "control":
        raise UserError(
            f"run: found agents in {run.run}, which act and answer no rows, "
            "expected one of a series"
        )
    job = _job(run, arm, seed)
    with TemporaryDirectory(prefix="htmrun-") as folder:
        return Saved.read(_local(client, job, folder))


def _job(run: ExperimentRun, arm: str | None, seed: int | None) -> Any:
    arms = {name: run.jobs[name] for name in (*run.arms, *run.controls) if run.jobs.get(name)}
    learned = {name: jobs for name, jobs in arms.items() if name in run.arms}
    if arm is None and len(learned) > 1:
        raise UserError(f"--arm: {run.run} has {', '.join(learned)}, expected one of them")
    name = next(iter(learned), "") if arm is None else arm
    if name not in arms:
        found = "no arm that finished" if arm is None else f"'{arm}'"
        raise UserError(f"--arm: found {found} in {run.run}, {one_of(name, arms)}")
    jobs = arms[name]
    seed = min(jobs) if seed is None else seed
    if seed not in jobs:
        known = ", ".join(map(str, sorted(jobs)))
        raise UserError(f"--seed: found {seed}, expected one of {known} ({name} of {run.run})")
    return jobs[seed]


def _local(client: Any, job: Any, folder: str) -> Path:
    """Return the job's model on this disk, a copy where it lies elsewhere."""
    path = local_artifact(client, job, FOLDER, Path(folder))
    if path is None or not path.is_dir():
        raise UserError(
            f"model: none was kept of {job.info.run_name}, expected a run with tracking.models_mb "
            "above 0"
        )
    return path
