"""A Ray without a cluster: nodes that a test lists, questions that it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from htmrun.execution import ray_nodes

HERE = ray_nodes._question()()


class RayError(Exception):
    """What Ray raises where a task cannot be run."""


class FakeRay:
    """Nodes by name with their resources; `answers` by node, `silent` ones give none yet."""

    exceptions = SimpleNamespace(RayError=RayError)

    def __init__(self, **resources: dict[str, float]) -> None:
        self.resources, self.dead = dict(resources), set[str]()
        self.answers: dict[str, Any] = {}
        self.silent: set[str] = set()
        self.asked: list[str] = []

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"NodeID": name, "Alive": name not in self.dead, "Resources": has,
             "NodeManagerHostname": f"host-{name}", "NodeManagerAddress": "10.0.0.1"}
            for name, has in self.resources.items()
        ]  # fmt: skip

    def cluster_resources(self) -> dict[str, float]:
        living = [has for name, has in self.resources.items() if name not in self.dead]
        return {kind: sum(has.get(kind, 0) for has in living) for kind in ("CPU", "GPU")}

    def remote(self, _function: Callable[..., Any]) -> FakeRay:
        return self

    def options(self, *, num_cpus: int, label_selector: dict[str, str]) -> SimpleNamespace:
        assert num_cpus == 0, "the question must be answered by a node that is busy"
        name = label_selector[ray_nodes.NODE]

        def ask() -> str:
            self.asked.append(name)
            return name

        return SimpleNamespace(remote=ask)

    def wait(self, references: Sequence[str], timeout: float) -> tuple[list[str], list[str]]:
        assert timeout == 0
        ready = [name for name in references if name not in self.silent]
        return ready, [name for name in references if name not in ready]

    def get(self, reference: str) -> Any:
        answer = self.answers.get(reference, HERE)
        if isinstance(answer, Exception):
            raise answer
        return answer
