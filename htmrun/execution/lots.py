"""Jobs where they were placed on this machine: in worker processes, or lot by lot on a card."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

from htmrun.backends.devices import cuda_index
from htmrun.execution.estimate import device_bytes
from htmrun.execution.job_runs import guarded, run_jobs
from htmrun.execution.lockstep import Meeting, Work
from htmrun.execution.lockstep_models import works_together
from htmrun.execution.opening import OpenRun
from htmrun.execution.placement import lots
from htmrun.execution.processes import workers_for
from htmrun.training.records import Job, Record

Lots = list[list[Job]]


def lots_of(run: OpenRun) -> Lots | None:
    """Return the jobs that run at once on a card; None on the processor, where workers run.

    Raises UserError if they do not fit.
    """
    if run.where.card is None:
        return None
    needs = {name: device_bytes(run.builder, name) for name in run.experiment.selected}
    return lots(run.experiment, run.where, run.jobs, needs)


def lots_line(run: OpenRun, parts: Lots | None) -> str | None:
    """Return what the terminal says of the lots; None on the processor."""
    if not parts or run.where.card is None:
        return None
    at_once = "all at once" if len(parts) == 1 else f"{len(parts[0])} at once"
    return f"on {run.where.device} ({run.where.card.name}): {len(run.jobs)} models, {at_once}"


def one_by_one(run: OpenRun, parts: Lots | None) -> bool:
    """Say whether no two jobs run at the same time."""
    if parts is None:
        return workers_for(len(run.jobs), run.experiment.workers) == 1
    return all(len(part) == 1 for part in parts)


def records(run: OpenRun, parts: Lots | None) -> Generator[Record, None, None]:
    """Run all jobs and yield their records as they come."""
    if parts is None:
        keeps = run.builder.checkpoints is not None
        yield from run_jobs(run.builder, run.jobs, run.experiment.workers, keeps)
        return
    for lot in parts:
        with closing(_on_card(run, lot)) as news:
            yield from news
        # Groups of models know each other in circles; the next lot was planned with their memory.
        gc.collect()


def _on_card(run: OpenRun, jobs: Sequence[Job]) -> Generator[Record, None, None]:
    """Run jobs side by side in this process, their models in shared launches on a card."""
    index, meeting = cuda_index(run.experiment.device), Meeting()
    assert index is not None

    def told(job: Job, work: Work) -> Iterator[Record]:
        return guarded(job, lambda: work(meeting.stopped))

    yield from meeting.records(works_together(run.builder, jobs, meeting, index), told)
