"""The arms and seeds of one run on a cluster, a job for each actor at a time.

Records come back in batches to the process that was started, which alone writes them down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from htmrun.execution import lots
from htmrun.execution.job_runs import JobPlayer, JobRuns
from htmrun.execution.jobs import Builder
from htmrun.execution.opening import OpenRun, must_be_same_data, open_run
from htmrun.execution.placement import place
from htmrun.execution.ray_actors import RayWorkers
from htmrun.execution.ray_nodes import Share
from htmrun.training.records import Job, Record

BATCH_S = 0.5
AHEAD = 2


@dataclass
class NodeMaker:
    """Makes the works of jobs on a node, where the run is opened once more; see `Maker`."""

    builder: Builder
    fingerprint: str
    _here: OpenRun | None = None

    def prepare(self, arm: str | None = None) -> None:
        """Open the run on this node, once, and compile kernels; raises UserError."""
        if self._here is None:
            sent = self.builder
            must_be_same_data(sent.source, self.fingerprint)
            self._here = open_run(sent.experiment, source=sent.source, threads=sent.threads)
        self._here.builder.prepare(arm)

    def work(self, job: Job) -> Callable[[Callable[[], bool]], Iterator[Record]]:
        """Return what runs `job`; nobody asks it to stop."""
        assert self._here is not None
        # What is free on a card is another with every job.
        run = replace(self._here, jobs=[job], where=place(self._here.experiment))
        return lambda _stop: lots.records(run, lots.lots_of(run))


def connect(run: OpenRun, notice: Callable[[str], None]) -> JobRuns:
    """Connect and wait for a node with room; raises UserError without one."""
    settings = run.experiment.cluster
    share = Share(settings.cpus, settings.gpus, settings.wait_s, run.experiment.workers)
    player = JobPlayer(NodeMaker(run.builder, run.builder.source.fingerprint))
    workers = RayWorkers(run.on, player, share, notice, batch_s=BATCH_S, ahead=AHEAD)
    room, nodes = workers.nodes.room(), len(workers.nodes.accepted)
    notice(f"on {run.on}: nodes {nodes}, room for jobs at once {room}")
    return JobRuns(workers, settings.retries, notice)
