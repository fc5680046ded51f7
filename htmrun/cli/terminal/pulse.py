"""A line from time to time while nothing else is said: whoever waits sees that work goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

FIRST_S, EVERY_S = 2.5, 8.0
"""How long nothing may be said: at the beginning, and later."""
_LOOK_S = 0.5


class Pulse:
    """Says what is being done wherever nobody has said anything for a while.

    Use it as a context manager; its lines come from a thread of their own.
    """

    def __init__(
        self, say: Callable[[str], None] | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`say` takes lines; None: there is nobody to read them."""
        self.say = say
        self._clock = clock
        self._begun = self._since = self._heard = clock()
        self._doing: Callable[[], str] = str
        self._wait = FIRST_S
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self.say is not None:
            # A daemon: it must not hold up a process that is to end at once.
            self._thread = threading.Thread(target=self._watch, name="pulse", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(2 * _LOOK_S)

    def doing(self, what: str | Callable[[], str]) -> None:
        """Take down what begins now, or what tells it; "" where others say enough."""
        self._since = self._clock()
        self._doing = what if callable(what) else lambda: what

    def heard(self) -> None:
        """Take down that something was said."""
        self._heard, self._wait = self._clock(), EVERY_S

    def beat(self) -> None:
        """Say what is being done if it is time to."""
        now = self._clock()
        if self.say is None or now - self._heard < self._wait:
            return
        if what := self._doing():
            self.heard()
            self.say(f"{what} ({now - self._since:.0f} s)")

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            # What is asked may change while it is read; of an output that is gone others say more.
            with suppress(RuntimeError, OSError, ValueError):
                self.beat()
