"""Where trials run: what the local machine and a cluster have in common."""

from __future__ import annotations

from typing import Protocol

from htmrun.sweep.trial import Message, Task


class Engine(Protocol):
    """Runs trials side by side; each waits for an answer after every report."""

    def free(self) -> int:
        """Return how many more trials can be started now."""
        ...

    def start(self, task: Task) -> None:
        """Begin a trial."""
        ...

    def wait(self, seconds: float) -> list[tuple[int, Message]]:
        """Return what trials have said by their numbers, after at most so many seconds."""
        ...

    def answer(self, number: int, go_on: bool) -> None:
        """Let a trial go on after its report, or end it."""
        ...

    def close(self) -> None:
        """End every trial that still runs, and what was started for them."""
        ...
