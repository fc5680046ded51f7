"""How often Python looks for garbage: rarely while a command begins, as usual once models learn."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARELY = (50_000, 20, 100)
_before: list[tuple[int, int, int]] = []


@contextmanager
def sought_rarely() -> Iterator[None]:
    """Look for garbage rarely, until models learn or this is left.

    Imports make many objects and no garbage: to look for it took a twelfth of a short command.
    """
    _before.append(gc.get_threshold())
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*_before.pop())


def sought_as_usual() -> None:
    """Look as often as before `sought_rarely`: what models and their data hold would add up."""
    if _before:
        gc.set_threshold(*_before[0])
