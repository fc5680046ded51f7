"""Where the jobs of a run are run: on this machine, or on a cluster that `--on` names."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from htmrun.backends.devices import cuda_index
from htmrun.config.schema import Experiment
from htmrun.execution import energy
from htmrun.execution import lots as in_step
from htmrun.execution.jobs import Builder
from htmrun.execution.placement import Place, place, place_on_cluster
from htmrun.execution.ray_connection import LOCAL
from htmrun.training.records import Job, Record


@dataclass(frozen=True)
class Workplace:
    """Where jobs run: `records` runs them, `meter` counts the energy, of this machine alone."""

    records: Callable[[], Generator[Record, None, None]]
    meter: energy.Meter


def placed(experiment: Experiment, on: str) -> Place:
    """Return the device of the jobs, here or on the cluster; raises UserError."""
    return place(experiment) if on == LOCAL else place_on_cluster(experiment)


@contextmanager
def workplace(
    on: str, builder: Builder, where: Place, jobs: Sequence[Job], notice: Callable[[str], None]
) -> Iterator[Workplace]:
    """Yield what runs `jobs`, once it is certain that they can run there; raises UserError.

    `notice` gets lines for the user. Pipelines are built and tried on this machine first.
    """
    if on == LOCAL:
        lots = in_step.lots_of(builder, where, jobs)
        line = in_step.lots_line(where, lots)
        if line is not None:
            notice(line)
        _prepare(builder, notice)
        meter = energy.Meter(
            cuda_index(builder.experiment.device), in_step.one_by_one(builder, jobs, lots)
        )
        yield Workplace(lambda: in_step.records(builder, jobs, lots), meter)
        return
    from htmrun.execution.ray_jobs import ClusterJobs

    # This machine need not have a card.
    tried = builder.experiment.model_copy(update={"device": "cpu"})
    _prepare(Builder(tried, builder.source), notice)
    with closing(ClusterJobs.connect(on, builder, notice)) as cluster:
        yield Workplace(lambda: cluster.records(jobs), energy.Meter.of_nothing())


def _prepare(builder: Builder, notice: Callable[[str], None]) -> None:
    if not _compiled(builder.experiment.device):
        notice("compiling the kernels, once per installation (about a minute)")
    builder.prepare()


def _compiled(device: str) -> bool:
    """Return whether numba has kernels of the CPU backend on disk."""
    if device != "cpu":
        return True
    # Importing the backend is what decides where its kernels are kept.
    from htmrun.backends.cpu.common.cache import kernel_cache

    return any(kernel_cache().rglob("*.nbi"))
