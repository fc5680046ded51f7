"""An experiment becomes a run: its place, its data, its threads, and what makes its models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from htmrun.components.sources import Source, open_source
from htmrun.config.schema import Experiment
from htmrun.errors import UserError
from htmrun.execution.jobs import Builder, jobs_of
from htmrun.execution.placement import Place, resolve_place, threads_of
from htmrun.execution.ray_connection import LOCAL
from htmrun.training.records import Job


@dataclass(frozen=True)
class OpenRun:
    """What can be run: `jobs` of the builder's experiment, whose device is that of `where`.

    `on`: this machine, or a cluster's address.
    """

    on: str
    where: Place
    builder: Builder
    jobs: Sequence[Job]

    @property
    def experiment(self) -> Experiment:
        """The experiment, on the device where it runs."""
        return self.builder.experiment


def open_run(
    experiment: Experiment,
    on: str = LOCAL,
    jobs: Sequence[Job] | None = None,
    *,
    where: Place | None = None,
    source: Source | None = None,
    threads: int | None = None,
) -> OpenRun:
    """Return `jobs` of `experiment` (None: all) ready to be prepared and run; raises UserError.

    What is not given is found: `where` by `device`, `source` by `data`, and the `threads` of each
    job by the cores that the others leave.
    """
    where = resolve_place(experiment, on) if where is None else where
    experiment = experiment.model_copy(update={"device": where.device})
    jobs = jobs_of(experiment) if jobs is None else jobs
    source = open_source(experiment.data) if source is None else source
    if threads is None:
        threads = threads_of(experiment, len(jobs), far=on != LOCAL)
    builder = Builder(experiment, source, threads=threads)
    builder.samples()
    return OpenRun(on, where, builder, jobs)


def must_be_same_data(source: Source, fingerprint: str) -> None:
    """Raise UserError unless a node of a cluster has the data that all others have."""
    if source.fingerprint != fingerprint:
        raise UserError(
            f"data: {source.name} on this node has the hash {source.fingerprint[:12]}, "
            f"expected {fingerprint[:12]} as where it was started"
        )
