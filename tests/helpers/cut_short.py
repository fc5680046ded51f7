"""A signal in the middle of a transaction."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from htmrun.tracking.sqlite_writer import SqliteWriter


@contextmanager
def terminated_within(statement: str, client: Any = None) -> Iterator[list[str]]:
    """Send SIGTERM once, in the middle of the transaction that says `statement`.

    client: one that is there already.
    """
    sent: list[str] = []

    def listen(_c: Any, _cursor: Any, said: str, _p: Any, _context: Any, _many: bool) -> None:
        trace(said)

    def trace(said: str) -> None:
        plain = said.replace("INSERT OR IGNORE INTO", "INSERT INTO")
        if plain.startswith(statement) and not sent:
            sent.append(said)
            signal.raise_signal(signal.SIGTERM)

    def traced(self: SqliteWriter, path: Path, uri: str) -> None:
        begin(self, path, uri)
        self._database.set_trace_callback(trace)

    begin = SqliteWriter.__init__
    if isinstance(client, SqliteWriter):
        client._database.set_trace_callback(trace)
    event.listen(Engine, "after_cursor_execute", listen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteWriter, "__init__", traced)
        try:
            yield sent
        finally:
            event.remove(Engine, "after_cursor_execute", listen)
