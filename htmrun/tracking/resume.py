"""`htmrun resume`: the jobs of a run that did not come to their end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from htmrun.config.schema import Experiment
from htmrun.errors import UserError
from htmrun.execution.jobs import jobs_of
from htmrun.execution.session import Earlier
from htmrun.tracking.provenance import process_lives
from htmrun.tracking.store import open_existing
from htmrun.tracking.stored import StoredRun, must_have_data, read_run
from htmrun.training.records import Finished


@dataclass(frozen=True)
class TakenUp:
    """A run that was cut short: what it runs, how it was asked for, and what of it is kept.

    `left`: how many of its jobs did not come to their end.
    """

    experiment: Experiment
    resolved: Mapping[str, Any]
    overrides: Sequence[str]
    earlier: Earlier
    left: int


def take_up(wanted: str | None, uri: str | None, directory: str) -> TakenUp:
    """Return a run to go on with, recorded where it was found; what was cut short is taken away.

    A job goes on where it last kept how far it was, and starts from its beginning where it kept
    nothing. Raises UserError when the run is still going or the data have changed.
    """
    run = read_run(wanted, uri, directory)
    if run.folder is not None:
        raise UserError(f"run: found the export {run.folder}, expected a recorded run's id")
    experiment = _here(run, uri, directory)
    left = set(jobs_of(experiment)) - {stored.job for stored in run.finished}
    if left:
        _must_have_ended(run)
        must_have_data(run, experiment)
        _take_away(open_existing(uri, directory)[1], run)
    kept = [
        Finished(s.job, dict(s.metrics), s.state_hash, s.metrics.get("seconds", 0.0))
        for s in run.finished
    ]
    resolved = {**run.resolved, "tracking": experiment.tracking.model_dump(mode="json")}
    overrides = run.tags.get("htmrun.overrides", "").split(" ")
    return TakenUp(experiment, resolved, overrides, Earlier(run.run, kept), len(left))


def _here(run: StoredRun, uri: str | None, directory: str) -> Experiment:
    """Return the experiment, recorded where the run was found."""
    experiment = run.experiment
    place = {"uri": uri, "dir": directory}
    tracking = experiment.tracking.model_copy(update=place)
    return experiment.model_copy(update={"tracking": tracking})


def _must_have_ended(run: StoredRun) -> None:
    for stored in run.jobs:
        if stored.status == "RUNNING" and process_lives(stored.tags):
            where = stored.tags.get("htmrun.host", "")
            raise UserError(
                f"run: {run.run} is still going (process {stored.tags.get('htmrun.pid')} on "
                f"{where}), expected one that was cut short"
            )


def _take_away(client: Any, run: StoredRun) -> None:
    """Move what was cut short to MLflow's trash; the jobs are recorded anew."""
    for stored in run.jobs:
        if stored.status != "FINISHED":
            client.delete_run(stored.mlflow_id)
