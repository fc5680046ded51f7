"""Interruptions that wait until what runs has come to a place where it can stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from htmrun.execution.termination import StopRequestedError

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
PATIENCE_S = 10.0
"""How long what is to end may take to come to a place where it can."""
T = TypeVar("T")


class _Deferral:
    """The first signal is only taken down; the next, or `patience` seconds, raise it."""

    def __init__(self, patience: float) -> None:
        self.number = 0
        self._patience = patience
        self._before: dict[int, Any] = {}

    def asked(self) -> bool:
        """Return whether what runs is to stop."""
        return self.number != 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Take signals down meanwhile; outside of the main thread there are none to take."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and callable(signal.getsignal(number)):
                self._before[number] = signal.signal(number, self._take_down)
        try:
            yield
        finally:
            self._let_go()

    def raise_it(self) -> None:
        """Do what the signal that was taken down would have done."""
        if self.number:
            signal.raise_signal(self.number)

    def _take_down(self, number: int, _frame: FrameType | None) -> None:
        if self.number:  # Somebody is in a hurry.
            self._let_go()
            signal.raise_signal(self.number)
            return
        self.number = number
        timer = threading.Timer(self._patience, self._hurry)
        timer.daemon = True
        timer.start()

    def _hurry(self) -> None:
        if self._before:
            signal.raise_signal(self.number)

    def _let_go(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())


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
