"""`htmrun resume`: the jobs of a run that did not come to their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from htmrun.config.schema import Experiment
from htmrun.errors import UserError
from htmrun.execution.jobs import jobs_of
from htmrun.execution.session import Earlier
from htmrun.tracking import holding
from htmrun.tracking.outbox import send, waiting
from htmrun.tracking.provenance import process_lives
from htmrun.tracking.stored import StoredRun, must_have_data, read_run
from htmrun.training.records import Finished


@dataclass(frozen=True)
class TakenUp:
    """A run that was cut short: what it runs, how it was asked for, and what of it is kept.

    `left`: how many of its jobs did not come to their end; `open`: whether something is left to do,
    if only the pictures.
    """

    experiment: Experiment
    resolved: Mapping[str, Any]
    overrides: Sequence[str]
    earlier: Earlier
    left: int
    open: bool


@contextmanager
def taken_up(
    wanted: str | None, uri: str | None, directory: str, notice: Callable[[str], None]
) -> Iterator[TakenUp]:
    """Hold a run to go on with, recorded where it was found; nothing of it is changed here.

    What waits for its store is delivered first. A job goes on where it last kept how far it was,
    and starts from its beginning where it kept nothing; what is recorded of it stays until the
    new one is. Raises UserError when the run is still going or the data have changed.
    """
    found = read_run(wanted, uri, directory)
    if found.folder is not None:
        raise UserError(f"run: found the export {found.folder}, expected a recorded run's id")
    with holding.hold(directory, found.run):
        _must_have_ended(found, directory)
        _deliver(found.run, uri, directory, notice)
        # Once more: until it was held, another process may have gone on with it.
        yield _taken_up(read_run(found.run, uri, directory), uri, directory)


def _taken_up(run: StoredRun, uri: str | None, directory: str) -> TakenUp:
    experiment = _here(run, uri, directory)
    left = set(jobs_of(experiment)) - {stored.job for stored in run.finished}
    if left:
        must_have_data(run, experiment)
    kept = [
        Finished(
            s.job, dict(s.metrics), s.state_hash, s.metrics.get("seconds", 0.0),
            notes=tuple(s.tags.get("htmrun.remarks", "").splitlines()),
        )
        for s in run.finished
    ]  # fmt: skip
    replaced = {name: [*ids] for name, ids in run.older.items()}
    for stored in run.jobs:
        if stored.status != "FINISHED":
            replaced.setdefault(stored.job.name, []).append(stored.mlflow_id)
    ids = {stored.job: stored.mlflow_id for stored in run.finished}
    resolved = {**run.resolved, "tracking": experiment.tracking.model_dump(mode="json")}
    overrides = run.tags.get("htmrun.overrides", "").split(" ")
    earlier = Earlier(run.run, kept, replaced, ids)
    still_open = bool(left) or holding.begun(directory, run.run) is not None
    return TakenUp(experiment, resolved, overrides, earlier, len(left), still_open)


def _here(run: StoredRun, uri: str | None, directory: str) -> Experiment:
    """Return the experiment, recorded where the run was found."""
    experiment = run.experiment
    place = {"uri": uri, "dir": directory}
    tracking = experiment.tracking.model_copy(update=place)
    return experiment.model_copy(update={"tracking": tracking})


def _must_have_ended(run: StoredRun, directory: str) -> None:
    """Raise UserError where a process is at work whose lock is not in this folder."""
    for stored in run.jobs:
        if stored.status != "RUNNING" or holding.begun(directory, run.run) is not None:
            continue
        if process_lives(stored.tags):
            where = stored.tags.get("htmrun.host", "")
            raise UserError(
                f"run: {run.run} is still going (process {stored.tags.get('htmrun.pid')} on "
                f"{where}), expected one that was cut short"
            )


def _deliver(run: str, uri: str | None, directory: str, notice: Callable[[str], None]) -> None:
    """Send what waits of a run: jobs that ended are not to be run again. UserError if it stays."""
    for one in waiting(directory, run):
        if one.run == run and not send(one, notice, uri):
            raise UserError(
                f"run: records of {run} wait in {one.path} and cannot be delivered, expected a "
                "store that takes them before the run goes on"
            )
