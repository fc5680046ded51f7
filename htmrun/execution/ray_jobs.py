"""The arms and seeds of one run on a cluster, a job for each actor at a time.

Records come back in batches to the process that was started, which alone writes them down. A job
whose worker dies is run again from its beginning: it gives the same once more, so what has been
heard of it already is left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

from htmrun.errors import UserError
from htmrun.execution import lots
from htmrun.execution.jobs import Builder
from htmrun.execution.placement import place
from htmrun.execution.processes import failure
from htmrun.execution.ray_actors import DIED, Actors, Died, News, Raised
from htmrun.execution.ray_nodes import Share
from htmrun.training.records import Failed, Finished, Job, Progress, Record, Started

BATCH_S = 0.5
AHEAD = 2


@dataclass
class JobPlayer:
    """Runs jobs of one experiment; every actor has a copy."""

    builder: Builder
    fingerprint: str
    _here: Builder | None = None

    def play(self, job: Job) -> Generator[Record, None, None]:
        """Run a job and yield its records; what goes wrong is a Failed."""
        try:
            if self._here is None:
                self._here = self._placed()
            where = place(self._here.experiment)
            yield from lots.records(self._here, [job], lots.lots_of(self._here, where, [job]))
        except Exception as error:
            yield failure(job, error)

    def _placed(self) -> Builder:
        """Return a builder for this node, its kernels compiled; raises UserError."""
        source = self.builder.source
        if source.fingerprint != self.fingerprint:
            raise UserError(
                f"data: {source.name} on this node has the hash {source.fingerprint[:12]}, "
                f"expected {self.fingerprint[:12]} as where the run was started"
            )
        where = place(self.builder.experiment)
        experiment = self.builder.experiment.model_copy(update={"device": where.device})
        builder = Builder(experiment, source)
        builder.prepare()
        return builder


@dataclass
class _Heard:
    """What has been heard of a job: its attempts, and how far its records came."""

    attempts: int = 0
    started: bool = False
    sample: int = -1

    def new(self, record: Record) -> bool:
        """Say whether a record is none that an earlier attempt has brought; take it down."""
        if isinstance(record, Started):
            fresh, self.started = not self.started, True
            return fresh
        if isinstance(record, Progress):
            fresh = record.sample > self.sample
            self.sample = max(self.sample, record.sample)
            return fresh
        return True


@dataclass
class ClusterJobs:
    """Runs jobs on a cluster; close it to leave the cluster as it was."""

    actors: Actors
    retries: int
    notice: Callable[[str], None]
    _heard: dict[Job, _Heard] = field(default_factory=dict)

    @classmethod
    def connect(cls, address: str, builder: Builder, notice: Callable[[str], None]) -> ClusterJobs:
        """Connect and wait for a node with room; raises UserError without one."""
        settings, workers = builder.experiment.cluster, builder.experiment.workers
        share = Share(settings.cpus, settings.gpus, settings.wait_s, workers)
        player = JobPlayer(builder, builder.source.fingerprint)
        actors = Actors(address, player, share, notice, batch_s=BATCH_S, ahead=AHEAD)
        room, nodes = actors.nodes.room(), len(actors.nodes.accepted)
        notice(f"on {address}: nodes {nodes}, room for jobs at once {room}")
        return cls(actors, settings.retries, notice)

    def close(self) -> None:
        """End all jobs and leave the cluster as it was."""
        self.actors.close()

    def records(self, jobs: Sequence[Job]) -> Generator[Record, None, None]:
        """Run all jobs and yield their records as they come.

        A job whose worker dies is run again, `retries` times; then it yields Failed.
        """
        todo, running = deque(jobs), set[tuple[Job, int]]()
        while todo or running:
            while todo and self.actors.free() > 0:
                job = todo.popleft()
                heard = self._heard.setdefault(job, _Heard())
                heard.attempts += 1
                self.actors.start((job, heard.attempts), job)
                running.add((job, heard.attempts))
            for key, news in self.actors.wait(1.0):
                # What an actor was asked ahead it answers after the end, with nothing.
                if key in running and (yield from self._records_in(key, news, todo)):
                    running.discard(key)

    def _records_in(
        self, key: tuple[Job, int], news: News, todo: deque[Job]
    ) -> Generator[Record, None, bool]:
        """Yield what is new in news of a job; return whether its attempt is over."""
        job, heard = key[0], self._heard[key[0]]
        if isinstance(news, Raised):
            yield failure(job, news.error)
            return True
        if isinstance(news, Died):
            if heard.attempts > self.retries:
                yield Failed(job, f"{DIED}, {heard.attempts} times")
            else:
                self.notice(f"{job.name} lost: {DIED}; it is run again")
                todo.appendleft(job)
            return True
        for record in news.messages:
            if heard.new(record):
                yield record
        if any(isinstance(record, Finished | Failed) for record in news.messages):
            self.actors.end(key)
            return True
        self.actors.go_on(key)
        return False
