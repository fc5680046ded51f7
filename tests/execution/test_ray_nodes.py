"""Which nodes of a cluster are used: those with room and the same code, also those that join."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import htmrun
from htmrun.errors import UserError
from htmrun.execution import ray_nodes
from htmrun.execution.ray_nodes import Nodes, Share
from tests.helpers.fake_ray import HERE, FakeRay, RayError


class Clock:
    """Time that passes only where somebody sleeps; `then` is what happens meanwhile."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.then: dict[float, Any] = {}

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment in [m for m in self.then if m <= self.now - 1000.0]:
            self.then.pop(moment)()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(ray_nodes, "time", made)
    return made


def over(ray: FakeRay, lines: list[str], **share: Any) -> Nodes:
    wanted = Share(**{"cpus": 1.0, "gpus": 0.0, "wait_s": 30.0, **share})
    return Nodes(ray, "ray://head:1", wanted, lines.append)


@pytest.mark.parametrize(
    ("share", "fits"),
    [
        ({"cpus": 1.0}, 5),  # 4 + 1; cores of two nodes do not add up to a job.
        ({"cpus": 2.0}, 2),
        ({"cpus": 0.5}, 11),
        ({"cpus": 1.0, "gpus": 0.25}, 4),
        ({"cpus": 1.0, "gpus": 1.0}, 1),
        ({"cpus": 1.0, "gpus": 2.0}, 0),
        ({"cpus": 1.0, "at_once": 3}, 3),
    ],
)
def test_room_is_counted_node_by_node(share: dict[str, Any], fits: int, clock: Clock) -> None:
    ray = FakeRay(a={"CPU": 4.0, "GPU": 1.0}, b={"CPU": 1.5}, head={"CPU": 0.0})
    assert over(ray, [], **share).room() == fits


def test_nodes_that_join_are_found_and_those_that_die_left_out(clock: Clock) -> None:
    ray, lines = FakeRay(a={"CPU": 1.0}), list[str]()
    found = over(ray, lines)
    found.await_room()
    assert (found.room(), found.accepted) == (1, ("a",))
    ray.resources["b"] = {"CPU": 2.0}
    assert found.room() == 1, "looked only every few seconds"
    clock.sleep(ray_nodes.LOOK_EVERY_S)
    assert (found.room(), found.accepted) == (3, ("a", "b"))
    ray.dead.add("a")
    clock.sleep(ray_nodes.LOOK_EVERY_S)
    assert (found.room(), found.accepted) == (2, ("b",))
    assert ray.asked == ["a", "b"]
    assert lines == []


def test_the_start_waits_for_the_first_node_and_says_so_once(clock: Clock) -> None:
    ray, lines = FakeRay(head={"CPU": 0.0}), list[str]()
    clock.then[20.0] = lambda: ray.resources.update(a={"CPU": 1.0})
    over(ray, lines).await_room()
    assert 1020.0 <= clock.now < 1021.0
    assert lines == [
        "waiting for nodes: ray://head:1 has 0 cores and 0 GPUs, and a job takes cluster.cpus = 1 "
        "and cluster.gpus = 0; given up after 30 s (cluster.wait_s)"
    ]


def test_a_cluster_that_gets_no_room_is_refused_after_the_stated_time(clock: Clock) -> None:
    ray = FakeRay(a={"CPU": 8.0})
    with pytest.raises(UserError) as error:
        over(ray, [], gpus=0.5, section="sweep").await_room()
    assert str(error.value) == (
        "--on: ray://head:1 has 8 cores and 0 GPUs after 30 s (sweep.wait_s), expected "
        "sweep.cpus = 1 and sweep.gpus = 0.5"
    )
    assert 1030.0 <= clock.now < 1031.0
    assert ray.asked == [], "what has no room is not asked"


def test_the_start_waits_for_answers_of_nodes_that_are_there(clock: Clock) -> None:
    ray = FakeRay(a={"CPU": 1.0}, b={"CPU": 1.0})
    ray.silent = {"a", "b"}
    clock.then[40.0] = lambda: ray.silent.remove("a")
    clock.then[41.0] = lambda: ray.silent.remove("b")
    found = over(ray, lines := [], wait_s=1.0)
    found.await_room()
    assert found.room() == 1, "longer than FURTHER_S already: the first is enough"
    clock.sleep(3.0)
    assert found.room() == 2
    assert lines == []
    ray.silent = {"b"}
    clock.now = 1000.0
    clock.then[5.0] = lambda: ray.silent.clear()
    both = over(ray, lines)
    both.await_room()
    assert both.room() == 2, "within FURTHER_S the others are waited for"
    ray.silent = {"c"}
    ray.resources = {"c": {"CPU": 1.0}}
    with pytest.raises(UserError, match="1 nodes do not answer after 61 s"):
        over(ray, [], wait_s=1.0).await_room()


@pytest.mark.parametrize(
    ("answer", "has"),
    [
        (("0.0.9", "f" * 64), "htmrun 0.0.9"),
        (("no htmrun", ""), "no htmrun"),
        (
            (HERE[0], "f" * 64),
            f"htmrun {HERE[0]} with other code (ffffffffffff, here {HERE[1][:12]})",
        ),
        (RayError("traceback\nOSError: no space left"), "OSError: no space left"),
    ],
)
def test_a_node_with_another_htmrun_is_refused_in_one_line(
    answer: Any, has: str, clock: Clock
) -> None:
    ray, lines = FakeRay(bad={"CPU": 8.0}), list[str]()
    ray.answers["bad"] = answer
    refusal = f"node host-bad (10.0.0.1) has {has}, expected htmrun {HERE[0]} as here"
    with pytest.raises(UserError) as error:
        over(ray, lines).await_room()
    assert str(error.value) == f"--on: {refusal}"
    assert clock.now < 1001.0, "no need to wait"
    # Beside others it is left out, and stays so.
    ray.resources["good"] = {"CPU": 2.0}
    found = over(ray, lines := [])
    found.await_room()
    for _ in range(3):
        clock.sleep(ray_nodes.LOOK_EVERY_S)
        assert (found.room(), found.accepted) == (2, ("good",))
    assert lines == [f"refused: {refusal}"]
    # When the others have gone, more of them may come.
    ray.dead.add("good")
    clock.then[clock.now - 1000.0 + 9.0] = lambda: ray.dead.clear()
    found.await_room()
    assert found.accepted == ("good",)


def test_the_question_travels_as_a_whole_and_answers_with_the_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The node must not need this module, which an older htmrun does not have."""
    sent = cloudpickle.dumps(ray_nodes._question())
    for name in ("htmrun.execution.ray_nodes", "htmrun.cluster"):
        monkeypatch.setitem(sys.modules, name, None)
    folder = Path(htmrun.__file__).parent
    expected = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        expected.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    assert cloudpickle.loads(sent)() == (htmrun.__version__, expected.hexdigest())
