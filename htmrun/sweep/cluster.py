"""Trials on a Ray cluster: each waits for an answer after what it reports."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

from htmrun.components.sources import Source
from htmrun.config.sweep import SweepParameters
from htmrun.execution.ray_actors import Actors, Died, Raised
from htmrun.execution.ray_nodes import Share
from htmrun.sweep.trial import Broken, Ended, Lost, Message, Task, broken, messages


@dataclass(frozen=True)
class TrialPlayer:
    """Runs trials on the data that the sweep was started with."""

    source: Source
    fingerprint: str

    def play(self, task: Task) -> Generator[Message, None, None]:
        """Run a trial and yield what it says."""
        yield from messages(task, self.source, self.fingerprint)


class RayEngine:
    """As many trials at once as the cluster has room for, or as `sweep.workers` says."""

    def __init__(
        self, address: str, settings: SweepParameters, source: Source,
        notice: Callable[[str], None],
    ) -> None:  # fmt: skip
        """Connect to `address`, ray://HOST[:PORT]; raises UserError when that is impossible."""
        share = Share(settings.cpus, settings.gpus, settings.wait_s, settings.workers, "sweep")
        player = TrialPlayer(source, source.fingerprint)
        self._actors = Actors(address, player, share, notice)

    def free(self) -> int:
        """Return how many more trials can be started now; nodes that join meanwhile count."""
        return self._actors.free()

    def start(self, task: Task) -> None:
        """Begin a trial."""
        self._actors.start(task.number, task)

    def wait(self, seconds: float) -> list[tuple[int, Message]]:
        """Return what trials have said by their numbers, after at most so many seconds."""
        found: list[tuple[int, Message]] = []
        for number, news in self._actors.wait(seconds):
            if isinstance(news, Died):
                found.append((number, Lost(news.reason)))
                continue
            if isinstance(news, Raised):
                found.append((number, broken(news.error)))
                continue
            found += [(number, message) for message in news.messages]
            if isinstance(news.messages[-1], Ended | Broken):
                self._actors.end(number)
        return found

    def answer(self, number: int, go_on: bool) -> None:
        """Let a trial go on after its report, or end it."""
        (self._actors.go_on if go_on else self._actors.end)(number)

    def close(self) -> None:
        """End all trials and leave the cluster as it was."""
        self._actors.close()
