"""`htmrun resume`: the jobs of a run that did not come to their end."""

from __future__ import annotations

from typing import Any

from htmrun.errors import UserError
from htmrun.execution.jobs import jobs_of
from htmrun.execution.session import Earlier, run_experiment
from htmrun.tracking.provenance import process_lives
from htmrun.tracking.store import open_existing
from htmrun.tracking.stored import StoredRun, must_have_data, read_run
from htmrun.training.records import Finished


def resume(
    wanted: str | None,
    uri: str | None,
    directory: str,
    *,
    on: str = "local",
    quiet: bool,
    json_output: bool,
) -> int:
    """Run what is left of a run, under its own id; return the exit status as `train` does.

    A job goes on where it last kept how far it was, and starts from its beginning where it kept
    nothing. Raises UserError when the run is still going or the data have changed.
    """
    run = read_run(wanted, uri, directory)
    if run.folder is not None:
        raise UserError(f"run: found the export {run.folder}, expected a recorded run's id")
    experiment = _here(run, uri, directory)
    left = set(jobs_of(experiment)) - {stored.job for stored in run.finished}
    if not left:
        print(f"run {run.run}: all {len(run.finished)} jobs finished, nothing to continue")
        return 0
    _must_have_ended(run)
    must_have_data(run, experiment)
    kept = [
        Finished(s.job, dict(s.metrics), s.state_hash, s.metrics.get("seconds", 0.0))
        for s in run.finished
    ]
    _, client = open_existing(uri, directory)
    _take_away(client, run)
    overrides = run.tags.get("htmrun.overrides", "").split(" ")
    return run_experiment(
        experiment,
        {**run.resolved, "tracking": experiment.tracking.model_dump(mode="json")},
        overrides,
        on=on,
        quiet=quiet,
        json_output=json_output,
        earlier=Earlier(run.run, kept),
    )


def _here(run: StoredRun, uri: str | None, directory: str) -> Any:
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
