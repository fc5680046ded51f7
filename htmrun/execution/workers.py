"""Tasks side by side: what worker processes and actors on a cluster have in common."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol

from htmrun.errors import UserError


class Player(Protocol):
    """What every worker has a copy of; it must survive pickling."""

    def play(self, task: Any, stop: Callable[[], bool]) -> Generator[Any, None, None]:
        """Run a task and yield what it says; `stop` says whether it is to end early."""
        ...


@dataclass(frozen=True)
class Said:
    """What a task has said, in its order."""

    messages: list[Any]


@dataclass(frozen=True)
class Raised:
    """The task ended with an exception that its player let through."""

    error: Exception


@dataclass(frozen=True)
class Died:
    """The worker is gone, and its task with it."""

    reason: str


News = Said | Raised | Died


class Workers(Protocol):
    """Run tasks side by side, one at a time each; tasks have keys, used once each.

    After everything that a task has said it is told to `go_on`, or to `end`: also when it has said
    its last. One that raised or died is over.
    """

    def free(self) -> int:
        """Return how many more tasks can be started now."""
        ...

    def start(self, key: Any, task: Any) -> None:
        """Begin a task on a worker that is idle, or on a new one."""
        ...

    def go_on(self, key: Any) -> None:
        """Ask a task for more; does nothing if its worker died after it said what it did."""
        ...

    def end(self, key: Any) -> None:
        """Drop a task that still runs, or let go of one that has ended."""
        ...

    def wait(self, seconds: float) -> list[tuple[Any, News]]:
        """Return news of tasks by their keys, after at most so many seconds."""
        ...

    def close(self) -> None:
        """End every task that still runs, and all workers."""
        ...


def in_words(error: Exception) -> tuple[str, str]:
    """Return one line about what was raised, and the traceback.

    What the user can mend is said in its own words.
    """
    text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    return (text.splitlines() or [""])[0], "".join(traceback.format_exception(error))
