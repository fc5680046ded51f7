"""Actors on the nodes of a cluster, one task at a time each, and what they say."""

from __future__ import annotations

import contextlib
import pickle
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from htmrun.components.foreign import Code
from htmrun.errors import UserError
from htmrun.execution.ray_connection import connect, kept
from htmrun.execution.ray_nodes import NODE, Nodes, Share
from htmrun.execution.workers import Died, News, Player, Raised, Said

DIED = "its worker on the cluster died"


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Packed:
    """A pickled player, and the code that must be imported before it can be read."""

    player: bytes
    code: Code

    def unpacked(self) -> Player:
        """Return the player; raises UserError where a node lacks the code."""
        self.code.load()
        player: Player = pickle.loads(self.player)
        return player


class TaskRunner:
    """Runs tasks one after the other; lives on a node of the cluster."""

    def __init__(self, player: Packed, batch_s: float) -> None:
        """`batch_s`: messages that come within so many seconds travel together; 0: one by one."""
        self._packed, self._batch_s = player, batch_s
        self._player: Player | None = None
        self._running: Generator[Any, None, None] | None = None

    def begin(self, task: bytes) -> list[Any]:
        """Begin a pickled task and return the first that it says."""
        if self._player is None:
            self._player = self._packed.unpacked()
        self._running = self._player.play(pickle.loads(task), _never)
        return self.go_on(together=False)

    def go_on(self, together: bool = True) -> list[Any]:
        """Return what the task says next, with what follows soon; nothing once it has ended."""
        found: list[Any] = []
        stop = time.monotonic() + self._batch_s
        for message in self._running or ():
            found.append(message)
            if not together or time.monotonic() >= stop:
                break
        return found

    def stop(self) -> None:
        """Drop the task."""
        if self._running is not None:
            self._running.close()
        self._running = None


@dataclass(eq=False)
class _Actor:
    """One actor, what it runs, the nodes that it may come to live on, and whether it does."""

    handle: Any
    nodes: frozenset[str]
    key: Any = None
    lives: bool = False


class RayWorkers:
    """As many tasks side by side as the cluster has room for, each on an actor."""

    def __init__(
        self, address: str, player: Player, share: Share, notice: Callable[[str], None], *,
        batch_s: float = 0.0, ahead: int = 1,
    ) -> None:  # fmt: skip
        """Connect to `address` and wait for a node with room; raises UserError without one.

        `ahead`: calls that wait at an actor, so that it need not wait for us; with 1 a task goes
        on only when it is told to.
        """
        self._ray = connect(address, share.wait_s, notice)
        self._share, self._batch_s, self._ahead = share, batch_s, ahead
        self._address = address
        self._actors: list[_Actor] = []
        self._calls: dict[Any, tuple[_Actor, Any]] = {}
        try:
            with kept(address):
                self.nodes = Nodes(self._ray, address, share, notice)
                self.nodes.await_room()
                # Handed over once: every actor on a node reads the same copy.
                self._player = self._ray.put(Packed(pickle.dumps(player), Code.here()))
        except BaseException:
            self._ray.shutdown()
            raise

    def free(self) -> int:
        """Return how many more tasks can be started now.

        Where nothing runs and no node is left, waits for one; UserError if none comes.
        """
        busy = sum(actor.key is not None for actor in self._actors)
        with kept(self._address):
            if busy == 0 and self.nodes.room() == 0:
                self.nodes.await_room()
            return self.nodes.room() - busy

    def start(self, key: Any, task: Any) -> None:
        """Begin a task on an actor that is idle, or on a new one."""
        with kept(self._address):
            actor = next((a for a in self._actors if a.key is None), None) or self._new_actor()
            actor.key = key
            self._call(actor, actor.handle.begin.remote(pickle.dumps(task)))
            for _ in range(self._ahead - 1):
                self._call(actor, actor.handle.go_on.remote())

    def go_on(self, key: Any) -> None:
        """Ask a task for more; does nothing if its worker died after it said what it did."""
        actor = self._of(key)
        if actor is not None:
            with kept(self._address):
                self._call(actor, actor.handle.go_on.remote())

    def end(self, key: Any) -> None:
        """Drop a task that still runs, or let go of one that has ended."""
        actor = self._of(key)
        if actor is not None:
            with kept(self._address):
                actor.handle.stop.remote()
            actor.key = None

    def wait(self, seconds: float) -> list[tuple[Any, News]]:
        """Return news of tasks by their keys, after at most so many seconds.

        Raises UserError when the cluster is gone.
        """
        if not self._calls:
            return []
        with kept(self._address):
            self._drop_homeless()
            ready, _ = self._ray.wait(
                [*self._calls], num_returns=len(self._calls), timeout=seconds / 4
            )
            if not ready:
                ready, _ = self._ray.wait([*self._calls], num_returns=1, timeout=seconds)
            # In the order in which they were asked.
            found = [self._receive(reference) for reference in [*self._calls] if reference in ready]
        return [news for news in found if news is not None]

    def close(self) -> None:
        """End all actors and leave the cluster as it was."""
        with contextlib.suppress(Exception):  # The cluster may be gone.
            for actor in self._actors:
                self._ray.kill(actor.handle)
        self._ray.shutdown()

    def _drop_homeless(self) -> None:
        """End actors that wait for nodes of which none is left; their tasks count as lost."""
        self.nodes.room()
        for actor in self._actors:
            if not actor.lives and actor.nodes.isdisjoint(self.nodes.accepted):
                self._ray.kill(actor.handle)

    def _of(self, key: Any) -> _Actor | None:
        """Return the actor of a task, None if it is gone: its death is said in its turn."""
        return next((actor for actor in self._actors if actor.key == key), None)

    def _call(self, actor: _Actor, reference: Any) -> None:
        self._calls[reference] = (actor, actor.key)

    def _receive(self, reference: Any) -> tuple[Any, News] | None:
        """Return the answer to a call; None where its task is over for us."""
        actor, key = self._calls.pop(reference)
        errors = self._ray.exceptions
        try:
            messages = self._ray.get(reference)
        except errors.RayTaskError as error:
            cause = getattr(error, "cause", None)
            news: News = Raised(cause if isinstance(cause, UserError) else error)
        except errors.RayError:
            news = Died(DIED)
        else:
            actor.lives = True
            return (key, Said(messages)) if actor.key == key else None
        if actor not in self._actors:
            return None
        self._actors.remove(actor)
        self.nodes.room(at_once=True)
        return (key, news) if actor.key == key else None

    def _new_actor(self) -> _Actor:
        nodes = self.nodes.accepted
        made = self._ray.remote(TaskRunner).options(
            num_cpus=self._share.cpus,
            num_gpus=self._share.gpus or None,
            max_restarts=0,
            label_selector={NODE: f"in({','.join(nodes)})"},
        )
        actor = _Actor(made.remote(self._player, self._batch_s), frozenset(nodes))
        self._actors.append(actor)
        return actor
