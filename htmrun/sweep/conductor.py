"""The loop of one worker of a sweep: ask, run, report, tell, until there are enough trials."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from htmrun._imports import optuna
from htmrun.config.validation import plain
from htmrun.errors import UserError
from htmrun.execution.signals import uninterrupted
from htmrun.execution.workers import Died, News, Raised, Said, Workers, in_words
from htmrun.sweep.record import SweepRecord
from htmrun.sweep.study import BEAT_S, FIGURES, HASHES, SharedStudy
from htmrun.sweep.trial import Broken, Ended, Message, Report, Task, means

if TYPE_CHECKING:
    from optuna.trial import Trial


class Conductor:
    """Runs trials of a shared study on `workers`; `lines` takes what is to be shown."""

    def __init__(
        self, shared: SharedStudy, workers: Workers, record: SweepRecord | None,
        lines: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._shared, self._workers, self._record, self._lines = shared, workers, record, lines
        self._running: dict[int, Trial] = {}
        self._begun: dict[int, float] = {}
        self._objective = next(iter(shared.objectives))
        self._next_beat = 0.0

    def run(self) -> None:
        """Return when the study has enough trials and nobody runs one any more."""
        waiting = False
        while True:
            self._look_after()
            while self._workers.free() > 0 and self._start_one():
                pass
            if not self._running:
                others = len(self._shared.begun()) - len(self._shared.ended())
                if others == 0:
                    return
                # If their worker dies, somebody has to take them up.
                if not waiting:
                    self._lines(f"waiting for {others} trials of other workers")
                waiting = True
                time.sleep(1.0)
            for number, news in self._workers.wait(1.0):
                # Cut short, a trial could be over in the study and still run here.
                with uninterrupted():
                    try:
                        self._handle(number, news)
                    except optuna.exceptions.UpdateFinishedTrialError:
                        self._taken_over(number, news)

    def _taken_over(self, number: int, news: News) -> None:
        """Drop a trial that was given to others, because we did not seem to live."""
        self._running.pop(number, None)
        self._lines(f"trial {number} lost: others took it up while this worker stood still")

    def give_up(self) -> None:
        """Put the running trials back, so that whoever continues runs them first."""
        for number in list(self._running):
            self._shared.put_back(number)
            self._ended(number)

    def _start_one(self) -> bool:
        with uninterrupted():
            trial = self._shared.ask()
            if trial is None:
                return False
            self._running[trial.number] = trial
            self._begun[trial.number] = time.monotonic()
        try:
            experiment = self._shared.sweep.trial(trial.params)
        except UserError as error:  # Settings that do not go together.
            self._broken(trial.number, Broken(*in_words(error)))
            return True
        if self._record is not None:
            self._record.begin(trial.number, plain(experiment))
        self._workers.start(trial.number, Task(trial.number, experiment))
        return True

    def _handle(self, number: int, news: News) -> None:
        match news:
            case Died():
                self._lost(number, news.reason)
            case Raised():
                self._broken(number, Broken(*in_words(news.error)))
            case Said():
                for message in news.messages:
                    self._hear(number, message)

    def _hear(self, number: int, message: Message) -> None:
        goes_on = False
        try:
            match message:
                case Report():
                    goes_on = self._goes_on(number, message)
                case Ended():
                    self._well(number, message)
                case Broken():
                    self._broken(number, message)
        finally:
            (self._workers.go_on if goes_on else self._workers.end)(number)

    def _goes_on(self, number: int, report: Report) -> bool:
        """Report to the study; False if the trial is to be cut short."""
        value = report.figures.get(self._objective)
        if value is None or len(self._shared.objectives) > 1 or not math.isfinite(value):
            return True
        trial = self._running[number]
        trial.report(value, report.step)
        if not trial.should_prune():
            return True
        self._shared.prune(number)
        self._say(number, f"cut short after {report.step} samples, {self._objective} {value:.4f}")
        self._ended(number)
        return False

    def _well(self, number: int, ended: Ended) -> None:
        figures = means(ended)
        values = [figures.get(name, math.nan) for name in self._shared.objectives]
        bad = [n for n, v in zip(self._shared.objectives, values, strict=True) if math.isnan(v)]
        if bad:
            self._broken(number, Broken(f"{bad[0]} is not a number, expected a figure"))
            return
        finite = {name: value for name, value in figures.items() if math.isfinite(value)}
        self._shared.set(number, FIGURES, finite)
        self._shared.set(number, HASHES, list(ended.hashes))
        self._shared.tell(number, values)
        named = zip(self._shared.objectives, values, strict=True)
        self._say(number, ", ".join(f"{name} {value:.4f}" for name, value in named))
        self._ended(number)

    def _broken(self, number: int, problem: Broken) -> None:
        self._shared.fail(number, problem.error)
        self._say(number, f"failed: {problem.error}")
        self._ended(number)

    def _lost(self, number: int, reason: str) -> None:
        again = self._shared.requeue(number, reason)
        self._say(number, f"lost: {reason}; {'it is run again' if again else 'given up'}")
        self._ended(number)

    def _ended(self, number: int) -> None:
        self._running.pop(number, None)
        self._begun.pop(number, None)
        if self._record is not None:
            self._record.end(number)

    def _look_after(self) -> None:
        """Show that we live, and take up what dead workers have left."""
        now = time.monotonic()
        if now < self._next_beat:
            return
        self._next_beat = now + BEAT_S
        self._shared.beat([*self._running])
        self._shared.revive()
        for number in self._shared.stale(set(self._running)):
            self._shared.requeue(number, "its worker is gone")
            self._lines(f"trial {number} lost: its worker is gone; it is run again")
            if self._record is not None:
                self._record.end(number)

    def _say(self, number: int, text: str) -> None:
        done, wanted = len(self._shared.ended()), self._shared.wanted
        seconds = time.monotonic() - self._begun.get(number, time.monotonic())
        self._lines(f"trial {number}: {text}, {seconds:.1f} s ({done} of {wanted})")


def direction_words(objectives: Mapping[str, Any]) -> str:
    """Return the objectives in words, e.g. "accuracy (maximize)"."""
    return ", ".join(f"{name} ({direction})" for name, direction in objectives.items())
