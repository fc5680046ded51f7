"""What signals do: all of it on this page.

| signal | where | what happens |
| --- | --- | --- |
| SIGINT (Ctrl-C) | the process of a command | KeyboardInterrupt, as Python does it; status 130 |
| SIGTERM, SIGHUP | there, in `terminations_raised` | SystemExit of 128 + number, so that 143 or 129 is the status; under nohup SIGHUP stays ignored |
| all three | there, in `uninterrupted` and `deferred` | taken down, and raised at the next place where that does no harm; a second one, or PATIENCE_S seconds, raise it at once |
| all three | there, where Python loses what it raised | `interruptions_kept` sends the signal again |
| SIGINT | there, while it starts a worker process | `interrupts_held`: the worker begins with it blocked, the parent gets it afterwards |
| SIGINT | a worker process, in `WorkerSignals` | ignored: it reaches the whole terminal group, and the parent decides |
| SIGTERM | a worker process, from its parent | ends it; if what it trains is kept, at the next place where it can stop |
| SIGKILL | a worker process | its pipe closes: its task has failed, others go on |
| SIGKILL | the process of a command | workers see at their next place, or in their pipe, that it is gone, and end |
"""  # noqa: E501

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from htmrun.errors import StopRequestedError

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

TERMINATIONS = ("SIGTERM", "SIGHUP")
PATIENCE_S = 10.0
"""How long what is to end may take to come to a place where it can."""
PAUSE_S = 0.05
"""A destructor or callback in which an interruption was lost is over by then."""
T = TypeVar("T")

Handlers = dict[int, Any]


def _take_over(
    before: Handlers, names: tuple[str, ...], handler: Callable[[int, FrameType | None], None],
    where: Callable[[Any], bool],
) -> None:  # fmt: skip
    """Set `handler` for signals `where` the present one says so, and keep that in `before`.

    Does nothing outside of the main thread, where signals cannot be handled.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for name in names:
        number = getattr(signal, name, None)
        if number is not None and where(signal.getsignal(number)):
            before[number] = signal.signal(number, handler)


def _give_back(before: Handlers) -> None:
    while before:
        signal.signal(*before.popitem())


# --- being asked to end: an exception that cleans up on its way -------------------------------


@contextmanager
def terminations_raised() -> Iterator[None]:
    """Raise SystemExit with 128 + its number where a signal asks this process to end.

    Without it Python ends on the spot: nothing is marked, and workers go on.
    """
    before: Handlers = {}
    # nohup leaves SIGHUP ignored, and means it.
    _take_over(before, TERMINATIONS, _end, lambda present: present is not signal.SIG_IGN)
    try:
        yield
    finally:
        _give_back(before)


def _end(number: int, _frame: FrameType | None) -> None:
    # Worker processes that were forked inherit this handler; for them it is a plain exit too.
    raise SystemExit(128 + number)


# --- interruptions that wait until what runs has come to a place where it can stop ------------


class _Deferral:
    """The first signal is only taken down; the next, or `patience` seconds, raise it."""

    def __init__(self, patience: float) -> None:
        self.number = 0
        self._patience = patience
        self._before: Handlers = {}

    def asked(self) -> bool:
        """Return whether what runs is to stop."""
        return self.number != 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Take signals down meanwhile."""
        _take_over(self._before, ("SIGINT", *TERMINATIONS), self._take_down, callable)
        try:
            yield
        finally:
            _give_back(self._before)

    def raise_it(self) -> None:
        """Do what the signal that was taken down would have done."""
        if self.number:
            signal.raise_signal(self.number)

    def _take_down(self, number: int, _frame: FrameType | None) -> None:
        if self.number:  # Somebody is in a hurry.
            _give_back(self._before)
            signal.raise_signal(self.number)
            return
        self.number = number
        timer = threading.Timer(self._patience, self._hurry)
        timer.daemon = True
        timer.start()

    def _hurry(self) -> None:
        if self._before:
            signal.raise_signal(self.number)


@contextmanager
def uninterrupted(patience: float = PATIENCE_S) -> Iterator[None]:
    """Let what runs inside come to its end; a signal is raised after it, or as in `deferred`."""
    deferral = _Deferral(patience)
    with deferral.held():
        yield
    deferral.raise_it()


def deferred(
    work: Callable[[Callable[[], bool]], Generator[T, None, None]], patience: float
) -> Generator[T, None, None]:
    """Yield what `work` does, a function of `stop`, which is true once a signal was taken down.

    The signal is raised when `work` has stopped, or after `patience` seconds, or when a second one
    comes. While the consumer has what was yielded, signals are as they ever were.
    """
    deferral = _Deferral(patience)
    running = work(deferral.asked)
    try:
        while True:
            with deferral.held():
                try:
                    found = next(running)
                except (StopIteration, StopRequestedError):
                    break
            # What has come to its end meanwhile is not to be lost.
            yield found
    finally:
        running.close()
    deferral.raise_it()


# --- Ctrl-C that arrives where Python cannot raise it -----------------------------------------


class Lost:
    """Notices interruptions that were lost, and sends their signals again.

    An exception in a destructor or in a callback from compiled code is reported and forgotten.
    With numba compiling for a minute, about one Ctrl-C in five ended there.
    """

    def __init__(self) -> None:
        self.any = False
        self._before = sys.unraisablehook
        self._timers: list[threading.Timer] = []

    def hook(self, report: UnraisableHookArgs) -> None:
        """Take the place of `sys.unraisablehook`."""
        number = _signal_of(report.exc_value)
        if number is None:
            self._before(report)
            return
        self.any = True
        timer = threading.Timer(PAUSE_S, signal.raise_signal, [number])
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def forget(self) -> None:
        """Send nothing any more."""
        for timer in self._timers:
            timer.cancel()


def _signal_of(error: BaseException | None) -> int | None:
    """Return the number of the signal that was raised as `error`, None if it was none."""
    if isinstance(error, KeyboardInterrupt):
        return signal.SIGINT
    if isinstance(error, SystemExit) and isinstance(error.code, int) and error.code > 128:
        return error.code - 128
    return None


@contextmanager
def interruptions_kept() -> Iterator[Lost]:
    """Send an interruption that gets lost meanwhile again; `.any` says that one was."""
    before, lost = sys.unraisablehook, Lost()
    sys.unraisablehook = lost.hook
    try:
        yield lost
    finally:
        lost.forget()
        sys.unraisablehook = before


# --- worker processes -------------------------------------------------------------------------


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Let a process that is started meanwhile inherit a blocked Ctrl-C.

    A worker that still imports would print a traceback. Here it comes through afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class WorkerSignals:
    """Signals in a worker process, for good; `parent` is the id of the process it works for.

    `keeps`: what it trains is to be written down before it ends. `training` is for the worker to
    say: only then does it ask `stopped`, and a SIGTERM can wait for that.
    """

    def __init__(self, parent: int, keeps: bool) -> None:
        self.training = self._asked = False
        self._parent = parent
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if keeps:
            signal.signal(signal.SIGTERM, self._take_down)

    def stopped(self) -> bool:
        """Return whether the worker is to end."""
        return self._asked or os.getppid() != self._parent

    def _take_down(self, number: int, _frame: FrameType | None) -> None:
        self._asked = True
        if not self.training:  # It imports, compiles or waits.
            raise SystemExit(128 + number)
