"""Where a run would go, and what it would take: for `--dry-run`, which needs no card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from htmrun.backends.devices import cuda_index
from htmrun.components.memory import size
from htmrun.config.schema import Experiment
from htmrun.errors import UserError
from htmrun.execution.estimate import plan_table
from htmrun.execution.notes import notes_of
from htmrun.execution.opening import OpenRun, open_run
from htmrun.execution.placement import Place, lots, resolve_place
from htmrun.execution.processes import workers_for
from htmrun.execution.ray_connection import LOCAL
from htmrun.execution.room import must_have_room


@dataclass(frozen=True)
class DryRun:
    """What would be run; `rows` are those of `estimate.plan_table`.

    `note` is one line for the user, empty on the processor. `at_once` jobs run side by side, None
    on a cluster, whose room is not known before; they take `bytes`: of the card's memory
    (`on_card`), or of state at most.
    """

    run: OpenRun
    rows: Sequence[Mapping[str, object]]
    note: str
    at_once: int | None = None
    bytes: int = 0
    on_card: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know before it runs, a line each."""
        return notes_of(self.run.builder)


def dry_run(experiment: Experiment, on: str = LOCAL) -> DryRun:
    """Return what `experiment` would do; raises UserError if its jobs cannot run on a cluster."""
    try:
        where = resolve_place(experiment, on)
        note = where.line or ""
    except UserError as error:
        if on != LOCAL:
            raise
        # The plan is of use to someone who will run it on another machine.
        where, note = Place(experiment.device), f"It cannot run here: {error}"
    run = open_run(experiment, on, where=where)
    rows = plan_table(run.experiment, run.builder.source)
    if on != LOCAL:
        return DryRun(run, rows, "; ".join(filter(None, (note, _asked_of_cluster(run)))))
    if cuda_index(where.device) is None:
        count = workers_for(len(run.jobs), experiment.workers)
        try:
            note = note or "".join(must_have_room(run))
        except UserError as error:
            note = f"It cannot run here: {error}"
        return DryRun(run, rows, note, count, _most(run, rows, "bytes", count))
    count = min(experiment.workers or len(run.jobs), len(run.jobs))
    most = _most(run, rows, "device_bytes", count)
    if where.card is not None:
        needs = {str(row["arm"]): int(str(row["device_bytes"])) for row in rows}
        try:
            parts = lots(run.experiment, where, run.jobs, needs)
            count, most = len(parts[0]), max(sum(needs[j.arm] for j in part) for part in parts)
            free = f"{size(where.card.free)} of {size(where.card.total)} free"
            note = f"{where.line or f'device: {where.device} ({where.card.name})'}; {free}"
        except UserError as error:
            note = f"It cannot run here: {error}"
    return DryRun(run, rows, note, count, most, on_card=True)


def _most(run: OpenRun, rows: Sequence[Mapping[str, object]], column: str, count: int) -> int:
    """Return the bytes of the `count` largest jobs."""
    found = sorted(int(str(row[column])) for row in rows for _ in run.experiment.seeds)
    return sum(found[-count:])


def _asked_of_cluster(run: OpenRun) -> str:
    wanted = run.experiment.cluster
    gpus = f" and {wanted.gpus:g} GPUs" if wanted.gpus else ""
    most = "as many at once as have room"
    if run.experiment.workers is not None:
        most = f"at most {run.experiment.workers} at once"
    return f"on {run.on}: a job takes {wanted.cpus:g} cores{gpus} of a node, {most}"
