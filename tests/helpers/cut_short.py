"""A signal in the middle of a transaction."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event


@contextmanager
def terminated_within(statement: str) -> Iterator[list[str]]:
    """Send SIGTERM once, in the middle of the transaction that says `statement`."""
    sent: list[str] = []

    def listen(_c: Any, _cursor: Any, said: str, _p: Any, _context: Any, _many: bool) -> None:
        if said.startswith(statement) and not sent:
            sent.append(said)
            signal.raise_signal(signal.SIGTERM)

    event.listen(Engine, "after_cursor_execute", listen)
    try:
        yield sent
    finally:
        event.remove(Engine, "after_cursor_execute", listen)
