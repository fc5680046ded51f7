"""Running jobs where they were placed: in worker processes, or lot by lot on a card."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing

from htmrun.backends.devices import cuda_index
from htmrun.execution import processes
from htmrun.execution.estimate import device_bytes
from htmrun.execution.jobs import Builder
from htmrun.execution.lockstep import Meeting
from htmrun.execution.lockstep_models import works_together
from htmrun.execution.placement import Place, lots
from htmrun.training.records import Job, Record

Lots = list[list[Job]]


def lots_of(builder: Builder, where: Place, jobs: Sequence[Job]) -> Lots | None:
    """Return the jobs that run at once on a card; None on the processor, where workers run.

    Raises UserError if they do not fit.
    """
    if where.card is None:
        return None
    needs = {name: device_bytes(builder, name) for name in builder.experiment.selected}
    return lots(builder.experiment, where, jobs, needs)


def lots_line(where: Place, parts: Lots | None) -> str | None:
    """Return what the terminal says of the lots; None on the processor."""
    if not parts or where.card is None:
        return None
    count = sum(map(len, parts))
    at_once = "all at once" if len(parts) == 1 else f"{len(parts[0])} at once"
    return f"on {where.device} ({where.card.name}): {count} models, {at_once}"


def one_by_one(builder: Builder, jobs: Sequence[Job], parts: Lots | None) -> bool:
    """Say whether no two jobs run at the same time."""
    if parts is None:
        return processes.workers_for(len(jobs), builder.experiment.workers) == 1
    return all(len(part) == 1 for part in parts)


def records(
    builder: Builder, jobs: Sequence[Job], parts: Lots | None
) -> Generator[Record, None, None]:
    """Run all jobs and yield their records as they come."""
    if parts is None:
        keeps = builder.checkpoints is not None
        yield from processes.run_jobs(builder, jobs, builder.experiment.workers, keeps)
        return
    index = cuda_index(builder.experiment.device)
    assert index is not None
    for lot in parts:
        meeting = Meeting()
        works = works_together(builder, lot, meeting, index)
        with closing(processes.run_in_step(works, meeting)) as news:
            yield from news
