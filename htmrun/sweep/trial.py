"""One trial: its jobs one after the other, and what it says on the way."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from htmrun.components.sources import Source
from htmrun.config.schema import Experiment
from htmrun.errors import UserError
from htmrun.execution import lots
from htmrun.execution.opening import OpenRun, must_be_same_data, open_run
from htmrun.execution.workers import in_words
from htmrun.training.measures.measure import RECENT
from htmrun.training.records import Failed, Finished, Job, Progress, Record

LOST = "lost"
"""What marks a trial that does not count: its worker is gone, and it is run again."""


@dataclass(frozen=True)
class Task:
    """A trial's number and the experiment that it runs."""

    number: int
    experiment: Experiment


@dataclass(frozen=True)
class Report:
    """Figures on the way, at `step`: samples of this job and of those of the trial before it."""

    step: int
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Ended:
    """The trial ran to its end: every job's figures and state hash, in the order of the seeds."""

    figures: tuple[Mapping[str, float], ...]
    hashes: tuple[str, ...]


@dataclass(frozen=True)
class Broken:
    """The trial failed: one line, and the traceback."""

    error: str
    trace: str = ""


Message = Report | Ended | Broken


@dataclass(frozen=True)
class TrialPlayer:
    """Runs trials on `source`, whose `fingerprint` must be that which the sweep began with."""

    source: Source
    fingerprint: str

    def play(
        self, task: Task, _stop: Callable[[], bool] = lambda: False
    ) -> Generator[Message, None, None]:
        """Run `task` and yield what it says; the last message is Ended or Broken."""
        try:
            must_be_same_data(self.source, self.fingerprint)
            yield from _jobs(task, self.source)
        except Exception as error:
            yield Broken(*in_words(error))


class Telling:
    """What a trial says of its jobs' records, taken in the order of the jobs.

    So it says the same where its jobs ran one after the other and where they ran side by side.
    """

    def __init__(self, run: OpenRun) -> None:
        self._jobs = run.jobs
        self._held_out = run.builder.source.test(1) is not None
        self._total = run.builder.samples() * run.experiment.epochs
        self._waiting: dict[Job, list[Record]] = {job: [] for job in run.jobs}
        self._ended: list[Finished] = []

    def take(self, record: Record) -> Iterator[Message]:
        """Yield what can be said now that a job has said `record`; Ended or Broken comes last."""
        self._waiting[record.job].append(record)
        while len(self._ended) < len(self._jobs):
            job = self._jobs[len(self._ended)]
            said, self._waiting[job] = self._waiting[job], []
            for one in said:
                yield from self._of(one)
            if not said or not isinstance(said[-1], Finished):
                return

    def _of(self, record: Record) -> Iterator[Message]:
        before = len(self._ended) * self._total
        if isinstance(record, Failed):
            yield Broken(f"seed {record.job.seed}: {record.error}", record.trace)
        if isinstance(record, Progress):
            yield Report(before + record.sample, on_the_way(record.metrics, self._held_out))
        if isinstance(record, Finished):
            self._ended.append(record)
            if len(self._ended) < len(self._jobs):
                yield Report(before + self._total, record.metrics)
                return
            # The last one's figures come with the trial's own.
            figures = tuple(one.metrics for one in self._ended)
            yield Ended(figures, tuple(one.state_hash for one in self._ended))


def _jobs(task: Task, source: Source) -> Generator[Message, None, None]:
    run = open_run(task.experiment, source=source, threads=1)
    run.builder.prepare()
    telling = Telling(run)
    for record in lots.records(run, lots.lots_of(run)):
        for message in telling.take(record):
            yield message
            if isinstance(message, Broken):
                return


def on_the_way(figures: Mapping[str, float], held_out: bool) -> dict[str, float]:
    """Return the figures by which a trial may be cut short, under the names they end with.

    Of held-out samples, where there are any; of a stream those since the last point.
    """
    if held_out:
        return {n: v for n, v in figures.items() if not n.startswith(RECENT)}
    return {n.removeprefix(RECENT): v for n, v in figures.items() if n.startswith(RECENT)}


def means(ended: Ended) -> dict[str, float]:
    """Return the mean over the seeds of every figure that all of them report."""
    first, *others = ended.figures
    names = [name for name in first if all(name in figures for figures in others)]
    count = len(ended.figures)
    return {name: sum(figures[name] for figures in ended.figures) / count for name in names}


def rehearse(experiment: Experiment, source: Source) -> list[str]:
    """Run a trial on a few samples; return the names of the figures that it reports.

    What cannot run, or is not reported, shows before a study exists. Raises UserError.
    """
    short: Any = _Short(source)
    player = TrialPlayer(short, source.fingerprint)
    *_, last = player.play(Task(-1, experiment.model_copy(update={"epochs": 1})))
    if isinstance(last, Broken):
        raise UserError(last.error)
    assert isinstance(last, Ended)
    return list(means(last))


class _Short:
    """The first samples of a source."""

    SAMPLES = 64

    def __init__(self, source: Source) -> None:
        self._source = source

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    @property
    def samples(self) -> int:
        return min(self.SAMPLES, self._source.samples or self.SAMPLES)

    def train(self, seed: int, epoch: int, chunk: int) -> Any:
        for piece in self._source.train(seed, epoch, self.samples):
            yield from piece.slice(0, self.samples).pieces(chunk)
            return

    def test(self, chunk: int) -> Any:
        found = self._source.test(self.SAMPLES)
        return None if found is None else iter([next(iter(found))])
