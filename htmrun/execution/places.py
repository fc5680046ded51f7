"""Where the jobs of a run are run: on this machine, or on a cluster that `--on` names."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from htmrun.backends.devices import cuda_index
from htmrun.execution import energy, lots
from htmrun.execution.jobs import Builder
from htmrun.execution.opening import OpenRun
from htmrun.execution.processes import must_be_guarded
from htmrun.execution.ray_connection import LOCAL
from htmrun.execution.ray_jobs import connect
from htmrun.training.records import Record


@dataclass(frozen=True)
class Workplace:
    """Where jobs run: `records` runs them, `meter` counts the energy, of this machine alone."""

    records: Callable[[], Generator[Record, None, None]]
    meter: energy.Meter


@contextmanager
def workplace(run: OpenRun, notice: Callable[[str], None]) -> Iterator[Workplace]:
    """Yield what runs the jobs, once it is certain that they can run there; raises UserError.

    `notice` gets lines for the user. Pipelines are built and tried on this machine first.
    """
    if run.on == LOCAL:
        parts = lots.lots_of(run)
        if parts is None and not lots.one_by_one(run, parts):
            must_be_guarded()
        line = lots.lots_line(run, parts)
        if line is not None:
            notice(line)
        _prepare(run.builder, notice)
        meter = energy.Meter(cuda_index(run.experiment.device), lots.one_by_one(run, parts))
        yield Workplace(lambda: lots.records(run, parts), meter)
        return
    # This machine need not have a card.
    tried = run.experiment.model_copy(update={"device": "cpu"})
    _prepare(Builder(tried, run.builder.source), notice)
    cluster = connect(run, notice)
    with closing(cluster.workers):
        yield Workplace(lambda: cluster.records(run.jobs), energy.Meter.of_nothing())


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
