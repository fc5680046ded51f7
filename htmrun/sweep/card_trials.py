"""Trials side by side on a card: what is known at once runs at once, models in shared launches.

Trials are heard in the order in which they were begun, each once those before it have ended; what
it says meanwhile waits. So whoever listens decides of each as if they ran one after the other. One
that is cut short has run further than it would have, which shows in nothing but time.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from htmrun.backends.cuda.device import forget_peaks
from htmrun.backends.devices import cuda_index
from htmrun.components.sources import Source
from htmrun.execution.estimate import device_bytes
from htmrun.execution.job_runs import guarded
from htmrun.execution.lockstep import Meeting, Work
from htmrun.execution.lockstep_models import shared_on, works_on
from htmrun.execution.opening import OpenRun, must_be_same_data, open_run
from htmrun.execution.placement import MARGIN, lots
from htmrun.execution.workers import News, Said, in_words
from htmrun.sweep.trial import Broken, Message, Task, Telling
from htmrun.training.records import Job, Record

MOST_JOBS = 512
"""Jobs that run at once, at most, where one trial does not have more: each is a thread."""

Heard = Generator[tuple[tuple[Any, Job], Record] | None, None, None]


@dataclass
class _Trial:
    """What runs; `said`: what nobody has heard yet.

    need: bytes of the card for all its jobs. alone: its jobs, cut into lots that the card holds.
    """

    run: OpenRun
    telling: Telling
    need: int
    alone: Sequence[Sequence[Job]]
    said: deque[Message] = field(default_factory=deque)
    over: bool = False


Part = Sequence[tuple[Any, _Trial, Sequence[Job]]]
"""Jobs that run at once, by trial."""


class CardTrials:
    """Runs trials on a card of this machine, lot by lot; see `Workers`.

    most: trials at once, None: as many as have room. in_rounds: as many are begun together, in as
    many lots as they need, and the next when all have ended: settings then depend on what came out
    of earlier rounds, but neither on the card's memory nor on who was faster.
    """

    def __init__(
        self, source: Source, fingerprint: str, most: int | None, in_rounds: bool,
        notice: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._source, self._fingerprint, self._notice = source, fingerprint, notice
        self._most, self._in_rounds = most, in_rounds
        # In the order in which they were begun; those without a run could not be opened.
        self._trials: dict[Any, _Trial | Broken] = {}
        self._in_round = self._room = 0
        self._lot: list[Any] = []
        self._heard: Heard | None = None

    def free(self) -> int:
        """Return how many more trials can be begun before a lot runs."""
        if self._heard is not None:
            return 0
        if self._in_rounds:
            return (self._most or 1) - self._in_round
        if self._most is not None and len(self._trials) >= self._most:
            return 0
        opened = [trial for trial in self._trials.values() if isinstance(trial, _Trial)]
        needs = [trial.need for trial in opened]
        if not needs:
            return 1
        jobs = sum(len(trial.run.jobs) for trial in opened)
        fits = sum(needs) + max(needs) <= self._room
        return int(fits and jobs + jobs // len(opened) <= MOST_JOBS)

    def start(self, key: Any, task: Task) -> None:
        """Take a trial into the next lot, or the one after it where that has no room."""
        self._in_round += 1
        try:
            self._trials[key] = self._opened(task)
        except Exception as error:
            self._trials[key] = Broken(*in_words(error))

    def go_on(self, key: Any) -> None:
        """Do nothing: it has gone on meanwhile."""

    def end(self, key: Any) -> None:
        """Drop a trial that still runs, or let go of one that has ended."""
        trial = self._trials.pop(key)
        if isinstance(trial, _Trial):
            trial.over = True
        if not any(other in self._trials for other in self._lot):
            self.close()
        if not self._trials:
            self._in_round = 0

    def wait(self, seconds: float) -> list[tuple[Any, News]]:
        """Return what the first trial says next, if that comes before `seconds` are over."""
        if not self._trials:
            return []
        if self._heard is None:
            self._begin()
        key, trial = next(iter(self._trials.items()))
        if isinstance(trial, Broken):
            return [(key, Said([trial]))]
        end = time.monotonic() + seconds
        while not trial.said and time.monotonic() < end:
            self._listen()
        return [(key, Said([trial.said.popleft()]))] if trial.said else []

    def close(self) -> None:
        """End every trial that still runs, and give back the card's memory."""
        if self._heard is not None:
            self._heard.close()
        self._heard, self._lot = None, []
        # Groups of models know each other in circles; the next lot is planned with what is free.
        gc.collect()
        forget_peaks()

    def _opened(self, task: Task) -> _Trial:
        """Return a trial that can run; raises UserError."""
        must_be_same_data(self._source, self._fingerprint)
        run = open_run(task.experiment, source=self._source, threads=1)
        run.builder.prepare()
        forget_peaks()
        assert run.where.card is not None
        self._room = int(run.where.card.free * MARGIN)
        needs = {name: device_bytes(run.builder, name) for name in run.experiment.selected}
        # A trial's own `workers` is of processes.
        free = run.experiment.model_copy(update={"workers": None})
        alone = lots(free, run.where, run.jobs, needs)
        return _Trial(run, Telling(run), sum(needs[job.arm] for job in run.jobs), alone)

    def _begin(self) -> None:
        """Let a lot run: the first trials, as many as have room, one at least."""
        lot: dict[Any, _Trial] = {}
        for key, trial in self._trials.items():
            if isinstance(trial, Broken):
                continue
            jobs = sum(len(one.run.jobs) for one in (*lot.values(), trial))
            need = sum(one.need for one in (*lot.values(), trial))
            if lot and (need > self._room or jobs > MOST_JOBS):
                break
            lot[key] = trial
        self._lot = [key for key in self._trials if key in lot] or [*self._trials]
        parts = _parts(lot)
        self._heard = _one_after_the_other(parts)
        if parts:
            place = parts[0][0][1].run.where
            assert place.card is not None
            models = sum(len(jobs) for _, _, jobs in parts[0])
            self._notice(
                f"on {place.device} ({place.card.name}): {_many(len(parts[0]), 'trial')} at once, "
                f"{_many(models, 'model')}"
            )

    def _listen(self) -> None:
        """Take in what the next job says, or nothing where the card was at work."""
        assert self._heard is not None
        news = next(self._heard)
        if news is None:
            return
        (key, _), record = news
        trial = self._trials.get(key)
        if isinstance(trial, _Trial):
            trial.said.extend(trial.telling.take(record))


def _parts(lot: Mapping[Any, _Trial]) -> list[Part]:
    """Return what runs at once, one after the other: all, or a few jobs of a trial too large."""
    if len(lot) == 1:
        return [[(key, trial, jobs)] for key, trial in lot.items() for jobs in trial.alone]
    return [[(key, trial, trial.run.jobs) for key, trial in lot.items()]] if lot else []


def _one_after_the_other(parts: Sequence[Part]) -> Heard:
    for part in parts:
        if not all(trial.over for _, trial, _ in part):
            yield from _together(part)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _together(parts: Part) -> Heard:
    """Run jobs of several trials side by side, and yield their records, each with its trial."""
    meeting, works = Meeting(), dict[tuple[Any, Job], Work]()
    trials = {key: trial for key, trial, _ in parts}
    index = cuda_index(parts[0][1].run.experiment.device)
    assert index is not None
    shared = shared_on(index, meeting)
    for key, trial, jobs in parts:
        works |= {(key, job): w for job, w in works_on(shared, trial.run.builder, jobs).items()}

    def told(of: tuple[Any, Job], work: Work) -> Iterator[Record]:
        trial = trials[of[0]]
        return guarded(of[1], lambda: work(lambda: meeting.stopped() or trial.over))

    with closing(meeting.news(works, told)) as news:
        yield from news
