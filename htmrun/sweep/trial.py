"""One trial: its jobs one after the other, and what it says on the way."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from htmrun.components.sources import Source
from htmrun.config.schema import Experiment
from htmrun.errors import UserError
from htmrun.execution import lots
from htmrun.execution.opening import must_be_same_data, open_run
from htmrun.execution.workers import in_words
from htmrun.training.measures.measure import RECENT
from htmrun.training.records import Failed, Finished, Job, Progress

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


def _jobs(task: Task, source: Source) -> Generator[Message, None, None]:
    run = open_run(task.experiment, source=source, threads=1)
    jobs = run.jobs
    held_out = source.test(1) is not None
    run.builder.prepare()
    total = run.builder.samples() * run.experiment.epochs
    ended: dict[Job, Finished] = {}
    # On a card the seeds run in step, on the processor one after the other.
    for record in lots.records(run, lots.lots_of(run)):
        before = jobs.index(record.job) * total
        if isinstance(record, Failed):
            yield Broken(f"seed {record.job.seed}: {record.error}", record.trace)
            return
        if isinstance(record, Progress):
            yield Report(before + record.sample, on_the_way(record.metrics, held_out))
        if isinstance(record, Finished):
            ended[record.job] = record
            if len(ended) < len(jobs):  # The last one's figures come with the trial's own.
                yield Report(before + total, record.metrics)
    finished = [ended[job] for job in jobs]
    yield Ended(tuple(r.metrics for r in finished), tuple(r.state_hash for r in finished))


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
