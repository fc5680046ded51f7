"""Being asked to end: an exception that cleans up on its way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class StopRequestedError(Exception):
    """The user asked for the run to end."""


@contextmanager
def terminations_raised() -> Iterator[None]:
    """Raise SystemExit with 128 + its number where a signal asks this process to end.

    Without it Python ends on the spot: nothing is marked, and workers go on. Does nothing outside
    of the main thread, where signals cannot be handled.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            # nohup leaves SIGHUP ignored, and means it.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    # Worker processes that were forked inherit this handler; for them it is a plain exit too.
    raise SystemExit(128 + number)
