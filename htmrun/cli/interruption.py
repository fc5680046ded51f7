"""Ctrl-C that arrives where Python cannot raise it, and is lost there.

An exception in a destructor or in a callback from compiled code is reported and forgotten. With
numba compiling for a minute, about one Ctrl-C in five ended there.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

PAUSE_S = 0.05
"""The destructor or callback is over by then."""


class Lost:
    """Notices interruptions that were lost, and sends their signals again."""

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
