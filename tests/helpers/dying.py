"""A process that dies of SIGKILL while it is at something."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager


@contextmanager
def within(inside: Callable[[], AbstractContextManager[object]]) -> Iterator[Callable[[], None]]:
    """Let a forked process be inside `inside()`; yield what kills it there."""
    hears, tells = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with inside():
                os.write(tells, b"!")
                time.sleep(600)
        finally:
            os._exit(1)
    os.close(tells)

    def kill() -> None:
        nonlocal child
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            child = 0

    try:
        assert os.read(hears, 1) == b"!", "it did not get there"
        yield kill
    finally:
        kill()
        os.close(hears)
