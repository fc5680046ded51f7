"""The nodes of a cluster: which of them may be used, and how much has room on them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from htmrun.errors import UserError

LOOK_EVERY_S = 2.0
NODE = "ray.io/node-id"
"""The label by which Ray finds a node."""
FURTHER_S, FIRST_S = 10.0, 60.0
"""Seconds that the start waits for answers of nodes that are there: once one has room, before."""


@dataclass(frozen=True)
class Share:
    """What one job takes, and how long to wait for a node that has it.

    cpus, gpus: cores, and a share of a GPU or GPUs; wait_s: seconds; at_once: the most that run
    side by side, None: as many as have room; section: where the settings stand.
    """

    cpus: float
    gpus: float
    wait_s: float
    at_once: int | None = None
    section: str = "cluster"

    def fits(self, resources: Mapping[str, float]) -> int:
        """Return how many jobs a node with these resources takes."""
        room = int(resources.get("CPU", 0) / self.cpus)
        return min(room, int(resources.get("GPU", 0) / self.gpus)) if self.gpus else room

    @property
    def words(self) -> str:
        """The settings, as an error names them."""
        at = self.section
        return f"{at}.cpus = {self.cpus:g} and {at}.gpus = {self.gpus:g}"


class Nodes:
    """Nodes that have room and the same htmrun as this process; those that join are found.

    A node with another htmrun could give other bytes: it is refused, in one line.
    """

    def __init__(self, ray: Any, address: str, share: Share, notice: Callable[[str], None]) -> None:
        self._ray, self._address, self._share, self._notice = ray, address, share, notice
        self._expected = _question()()
        self._asked: dict[str, Any] = {}
        self._accepted: dict[str, bool] = {}
        self._living: dict[str, Mapping[str, float]] = {}
        self._refusals: list[str] = []
        self._looked = -1e9

    @property
    def accepted(self) -> tuple[str, ...]:
        """The ids of the living nodes that may be used, as Ray calls them."""
        return tuple(n for n in self._living if self._accepted.get(n))

    def room(self, at_once: bool = False) -> int:
        """Return how many jobs have room side by side, each within one node.

        Looks at the cluster every LOOK_EVERY_S seconds, or `at_once`.
        """
        if at_once or time.monotonic() - self._looked >= LOOK_EVERY_S:
            self._look()
        room = sum(self._share.fits(self._living[node]) for node in self.accepted)
        return min(room, self._share.at_once or room)

    def await_room(self) -> None:
        """Return once a node has room; UserError after `wait_s`, or if all nodes are refused."""
        begun, said = time.monotonic(), False
        while self.room(at_once=True) == 0 or self._answers_missing(begun):
            if self._refusals and not self._asked and not any(self._accepted.values()):
                raise UserError(f"--on: {self._refusals[-1]}")
            patience = self._share.wait_s + (FIRST_S if self._asked else 0.0)
            if not self.accepted and time.monotonic() >= begun + patience:
                silent = f", {len(self._asked)} nodes do not answer" if self._asked else ""
                raise UserError(
                    f"--on: {self._has()}{silent} after {patience:g} s "
                    f"({self._share.section}.wait_s), expected {self._share.words}"
                )
            if not said and not self._living:
                said = True
                self._notice(
                    f"waiting for nodes: {self._has()}, and a job takes {self._share.words}; "
                    f"given up after {self._share.wait_s:g} s ({self._share.section}.wait_s)"
                )
            time.sleep(0.2)

    def _answers_missing(self, begun: float) -> bool:
        return bool(self._asked) and time.monotonic() < begun + FURTHER_S

    def _has(self) -> str:
        total = self._ray.cluster_resources()
        return f"{self._address} has {total.get('CPU', 0):g} cores and {total.get('GPU', 0):g} GPUs"

    def _look(self) -> None:
        """Take down which nodes live, and ask those that are new what they have installed."""
        self._looked = time.monotonic()
        fit = [n for n in self._ray.nodes() if n["Alive"] and self._share.fits(n["Resources"])]
        self._living = {n["NodeID"]: n["Resources"] for n in fit}
        self._asked = {n: reference for n, reference in self._asked.items() if n in self._living}
        for node in fit:
            name = node["NodeID"]
            if name not in self._accepted and name not in self._asked:
                self._asked[name] = self._ask(name)
        for node in fit:
            reference = self._asked.get(node["NodeID"])
            if reference is not None and self._ray.wait([reference], timeout=0)[0]:
                del self._asked[node["NodeID"]]
                self._judge(node, reference)

    def _judge(self, node: Mapping[str, Any], reference: Any) -> None:
        try:
            found = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            lines = str(error).splitlines()
            found = (lines[-1] if lines else type(error).__name__, "")
        self._accepted[node["NodeID"]] = found == self._expected
        if found == self._expected:
            return
        version, code = found
        has = f"htmrun {version}" if code else version
        if version == self._expected[0]:
            has += f" with other code ({code[:12]}, here {self._expected[1][:12]})"
        place = f"{node.get('NodeManagerHostname')} ({node.get('NodeManagerAddress')})"
        refusal = f"node {place} has {has}, expected htmrun {self._expected[0]} as here"
        self._refusals.append(refusal)
        self._notice(f"refused: {refusal}")

    def _ask(self, name: str) -> Any:
        # Takes no cores, so that it is answered while others' work fills the node.
        task = self._ray.remote(_question()).options(num_cpus=0, label_selector={NODE: name})
        return task.remote()


def _question() -> Callable[[], tuple[str, str]]:
    """Return what answers with the version of htmrun and the SHA-256 of its code.

    It travels as a whole, so what it imports is the node's own.
    """

    def installed() -> tuple[str, str]:
        import hashlib
        from pathlib import Path

        try:
            import htmrun
        except ImportError:
            return "no htmrun", ""
        folder, found = Path(htmrun.__file__).parent, hashlib.sha256()
        for path in sorted(folder.rglob("*.py")):
            found.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
        return htmrun.__version__, found.hexdigest()

    return installed
