"""Threads that help with a long window: started once, asked for one chunk of samples at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache

from htmrun.backends.cpu.pooler.layout import I64
from htmrun.backends.cpu.pooler.work_sharing import close


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="htmrun-helper")


@contextmanager
def helped(board: I64, helpers: list[Callable[[], None]]) -> Iterator[I64]:
    """Let threads call `helpers` meanwhile, until the board is closed at the end.

    Yields the board. Nobody waits for them: one that starts late finds the board closed.
    """
    try:
        for helper in helpers:
            # By process: after a fork the threads are gone.
            _pool(os.getpid()).submit(helper)
        yield board
    finally:
        close(board)
