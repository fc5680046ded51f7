"""RayWorkers of a Ray that a test plays: death, nodes that are lost before an actor came to one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from htmrun.errors import UserError
from htmrun.execution import ray_actors
from htmrun.execution.ray_actors import DIED, RayWorkers, TaskRunner
from htmrun.execution.ray_nodes import Share
from htmrun.execution.workers import Died, Raised, Said
from tests.helpers.fake_ray import FakeRay, RayError


class RayTaskError(RayError):
    """What Ray raises where a method did."""


class Handle:
    """An actor, which runs a method when its answer is asked for; dead ones answer nothing."""

    def __init__(self, runner: TaskRunner, nodes: str) -> None:
        self.runner, self.nodes, self.alive, self.placed = runner, nodes, True, True
        for name in ("begin", "go_on", "stop"):
            setattr(self, name, SimpleNamespace(remote=self._method(name)))

    def _method(self, name: str) -> Callable[..., Any]:
        return lambda *arguments: _Call(self, lambda: getattr(self.runner, name)(*arguments))


class _Call:
    def __init__(self, handle: Handle, run: Callable[[], Any]) -> None:
        self.handle, self.run = handle, run


class PlayedRay(FakeRay):
    """Runs actors in this process, one call at a time."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, **resources: dict[str, float]) -> None:
        super().__init__(**resources)
        self.handles: list[Handle] = []
        self.left = self.gone = False

    def put(self, player: Any) -> Any:
        return player

    def remote(self, made: Any) -> Any:
        if made is not TaskRunner:
            return self

        def options(*, label_selector: dict[str, str], **_: Any) -> SimpleNamespace:
            def remote(player: Any, batch_s: float) -> Handle:
                handle = Handle(TaskRunner(player, batch_s), *label_selector.values())
                self.handles.append(handle)
                return handle

            return SimpleNamespace(remote=remote)

        return SimpleNamespace(options=options)

    def wait(self, references: Sequence[Any], timeout: float, num_returns: int = 1) -> Any:
        if self.gone:
            raise ConnectionError("it is\nno more")
        if any(isinstance(r, str) for r in references):
            return super().wait(references, timeout)
        ready = [r for r in references if r.handle.placed or not r.handle.alive]
        return ready, [r for r in references if r not in ready]

    def get(self, reference: Any) -> Any:
        if isinstance(reference, str):
            return super().get(reference)
        if not reference.handle.alive:
            raise RayError("dead")
        try:
            return reference.run()
        except Exception as error:
            raise RayTaskError(repr(error)) from error

    def kill(self, handle: Handle) -> None:
        handle.alive = False

    def shutdown(self) -> None:
        self.left = True


class Words:
    """A player that says the letters of a word; an exclamation mark raises."""

    def play(self, task: str, _stop: Callable[[], bool]) -> Any:
        for letter in task:
            if letter == "!":
                raise ValueError("loud")
            yield letter


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[RayWorkers, PlayedRay]]:
    def made(ray: PlayedRay, ahead: int = 1, **share: Any) -> tuple[RayWorkers, PlayedRay]:
        monkeypatch.setattr(ray_actors, "connect", lambda *_: ray)
        wanted = Share(**{"cpus": 1.0, "gpus": 0.0, "wait_s": 0.0, **share})
        return RayWorkers("ray://head:1", Words(), wanted, lambda _: None, ahead=ahead), ray

    return made


Begin = Callable[..., tuple[RayWorkers, PlayedRay]]


def test_a_task_goes_on_only_when_told_to(begin: Begin) -> None:
    engine, ray = begin(PlayedRay(a={"CPU": 2.0}))
    engine.start(1, "ab")
    engine.start(2, "c")
    assert engine.free() == 0
    assert engine.wait(1) == [(1, Said(["a"])), (2, Said(["c"]))]
    assert engine.wait(1) == []
    engine.go_on(1)
    assert engine.wait(1) == [(1, Said(["b"]))]
    engine.end(2)
    assert engine.free() == 1
    engine.start(3, "d")
    assert len(ray.handles) == 2, "an idle actor is used again"
    assert engine.wait(1) == [(3, Said(["d"]))]
    engine.close()
    assert ray.left
    assert not any(handle.alive for handle in ray.handles)


def test_calls_ahead_of_a_task_that_is_over_are_not_heard(begin: Begin) -> None:
    engine, _ = begin(PlayedRay(a={"CPU": 1.0}), ahead=2)
    engine.start(1, "a")
    assert engine.wait(1) == [(1, Said(["a"])), (1, Said([]))]
    engine.go_on(1)
    engine.end(1)
    engine.start(2, "bc")
    assert engine.wait(1) == [(2, Said(["b"])), (2, Said(["c"]))]


def test_death_is_said_once_and_the_actor_not_used_again(begin: Begin) -> None:
    engine, ray = begin(PlayedRay(a={"CPU": 1.0}), ahead=2)
    engine.start(1, "abc")
    ray.kill(ray.handles[0])
    assert engine.wait(1) == [(1, Died(DIED))]
    assert engine.free() == 1
    engine.start(2, "x")
    assert engine.wait(1)[0] == (2, Said(["x"]))
    assert len(ray.handles) == 2


def test_death_right_after_something_was_said_takes_its_turn(begin: Begin) -> None:
    """Both are there at once: what was said is handled when the actor is known to be gone."""
    engine, ray = begin(PlayedRay(a={"CPU": 1.0}), ahead=2)
    engine.start(1, "abc")
    heard, last = engine._calls
    said = ray.get
    ray.get = lambda call: ["a"] if call is heard else said(call)  # type: ignore[method-assign]
    ray.kill(last.handle)
    assert engine.wait(1) == [(1, Said(["a"])), (1, Died(DIED))]
    engine.go_on(1)
    engine.end(1)
    assert engine.wait(1) == []
    assert engine.free() == 1


def test_what_a_player_raises_comes_back(begin: Begin) -> None:
    engine, _ = begin(PlayedRay(a={"CPU": 1.0}))
    engine.start(1, "!")
    ((number, news),) = engine.wait(1)
    assert number == 1
    assert isinstance(news, Raised)
    assert "loud" in str(news.error)


def test_an_actor_whose_nodes_are_lost_before_it_came_to_one_is_given_up(begin: Begin) -> None:
    engine, ray = begin(PlayedRay(a={"CPU": 1.0}))
    engine.start(1, "ab")
    assert ray.handles[0].nodes == "in(a)"
    ray.handles[0].placed = False
    assert engine.wait(1) == []
    ray.resources = {"b": {"CPU": 1.0}}
    engine.nodes.room(at_once=True)
    assert engine.wait(1) == [(1, Died(DIED))]
    engine.start(2, "x")
    assert ray.handles[1].nodes == "in(b)"
    assert engine.wait(1) == [(2, Said(["x"]))]


def test_a_cluster_that_is_lost_is_one_line(begin: Begin) -> None:
    engine, ray = begin(PlayedRay(a={"CPU": 1.0}))
    engine.start(1, "ab")
    ray.gone = True
    with pytest.raises(UserError) as error:
        engine.wait(1)
    assert str(error.value) == "--on: the connection to ray://head:1 was lost: it is no more"


def test_no_node_left_is_refused_where_nothing_runs(begin: Begin) -> None:
    engine, ray = begin(PlayedRay(a={"CPU": 1.0}))
    engine.start(1, "ab")
    ray.dead.add("a")
    engine.nodes.room(at_once=True)
    assert engine.free() == -1, "what runs may still come to its end"
    engine.end(1)
    with pytest.raises(UserError, match="has 0 cores and 0 GPUs after 0 s"):
        engine.free()
