"""Trials on a Ray cluster: one actor a trial at a time, which says one message a call.

Only the driver knows the study and the tracking server: an actor gets an experiment and gives
figures, so a node that dies takes one trial along and nothing that was recorded.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import htmrun
from htmrun.config.sweep import SweepParameters
from htmrun.data import Source
from htmrun.errors import UserError
from htmrun.sweep.trial import Broken, Ended, Lost, Message, Task, broken, messages

PORT = 10001
START_S = 120.0


class TrialRunner:
    """Runs trials one after the other; lives on a node of the cluster."""

    def __init__(self, source: Source, fingerprint: str, version: str) -> None:
        self._source, self._fingerprint, self._version = source, fingerprint, version
        self._running: Generator[Message, None, None] | None = None

    def begin(self, task: Task) -> Message:
        """Begin a trial and return the first that it says."""
        if htmrun.__version__ != self._version:
            return Broken(
                f"htmrun {htmrun.__version__} on this node, expected {self._version} as where the "
                "sweep was started"
            )
        self._running = messages(task, self._source, self._fingerprint)
        return self.go_on()

    def go_on(self) -> Message:
        """Return what the trial says next."""
        assert self._running is not None
        try:
            return next(self._running)
        except Exception as error:
            return broken(error)

    def stop(self) -> None:
        """Drop the trial."""
        if self._running is not None:
            self._running.close()
        self._running = None


@dataclass
class _Actor:
    handle: Any
    number: int | None = None


class RayEngine:
    """As many trials at once as the cluster has room for, or as `sweep.workers` says."""

    def __init__(self, address: str, settings: SweepParameters, source: Source) -> None:
        """Connect to `address`, ray://HOST[:PORT]; raises UserError when that is impossible."""
        self._ray = _connect(address)
        self._settings = settings
        self._source = self._ray.put(source)
        self._fingerprint = source.fingerprint
        self._actors: list[_Actor] = []
        self._waiting: dict[Any, _Actor] = {}
        self._room, self._looked = 0, -1e9
        if self._slots() == 0:
            total = self._ray.cluster_resources()
            self._ray.shutdown()
            raise UserError(
                f"--on: {address} has {total.get('CPU', 0):g} cores and {total.get('GPU', 0):g} "
                f"GPUs, expected sweep.cpus = {settings.cpus:g} and sweep.gpus = {settings.gpus:g}"
            )

    def _slots(self) -> int:
        """Return how many trials have room on the nodes that live, each within one node."""
        if time.monotonic() - self._looked < 2.0:
            return self._room
        cpus, gpus = self._settings.cpus, self._settings.gpus
        room = 0
        for node in self._ray.nodes():
            if node["Alive"]:
                has = node["Resources"]
                fits = int(has.get("CPU", 0) / cpus)
                room += min(fits, int(has.get("GPU", 0) / gpus)) if gpus else fits
        self._room, self._looked = min(room, self._settings.workers or room), time.monotonic()
        return self._room

    def free(self) -> int:
        """Return how many more trials can be started now."""
        return self._slots() - len(self._waiting)

    def start(self, task: Task) -> None:
        """Begin a trial on an actor that is idle, or on a new one."""
        actor = next((a for a in self._actors if a.number is None), None) or self._new_actor()
        actor.number = task.number
        self._waiting[actor.handle.begin.remote(task)] = actor

    def wait(self, seconds: float) -> list[tuple[int, Message]]:
        """Return what trials have said by their numbers, after at most so many seconds."""
        if not self._waiting:
            return []
        ready, _ = self._ray.wait(
            [*self._waiting], num_returns=len(self._waiting), timeout=seconds / 4
        )
        if not ready:
            ready, _ = self._ray.wait([*self._waiting], num_returns=1, timeout=seconds)
        return [self._receive(reference) for reference in ready]

    def answer(self, number: int, go_on: bool) -> None:
        """Let a trial go on after its report, or end it."""
        actor = next(a for a in self._actors if a.number == number)
        if go_on:
            self._waiting[actor.handle.go_on.remote()] = actor
        else:
            actor.handle.stop.remote()
            actor.number = None

    def close(self) -> None:
        """End all actors and leave the cluster as it was."""
        with contextlib.suppress(Exception):  # The cluster may be gone.
            for actor in self._actors:
                self._ray.kill(actor.handle)
        self._ray.shutdown()

    def _receive(self, reference: Any) -> tuple[int, Message]:
        actor = self._waiting.pop(reference)
        assert actor.number is not None
        number = actor.number
        try:
            message: Message = self._ray.get(reference)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.RayTaskError) as error:
            self._actors.remove(actor)
            self._looked = -1e9
            if isinstance(error, self._ray.exceptions.RayTaskError):
                return number, broken(error)
            return number, Lost("its worker on the cluster died")
        if isinstance(message, Ended | Broken):
            actor.number = None
        return number, message

    def _new_actor(self) -> _Actor:
        made = self._ray.remote(TrialRunner).options(
            num_cpus=self._settings.cpus, num_gpus=self._settings.gpus or None, max_restarts=0
        )
        handle = made.remote(self._source, self._fingerprint, htmrun.__version__)
        actor = _Actor(handle)
        self._actors.append(actor)
        return actor


def _connect(address: str) -> Any:
    host = address.removeprefix("ray://").rstrip("/")
    if not host:
        raise UserError(f"--on: found '{address}', expected ray://HOST or ray://HOST:PORT")
    full = f"ray://{host if ':' in host else f'{host}:{PORT}'}"
    # Ray would try for half a minute, and print every attempt.
    os.environ.setdefault("RAY_CLIENT_RECONNECT_GRACE_PERIOD", "30")
    try:
        import ray
    except ImportError:
        raise UserError(
            "--on: Ray is not installed, expected the extra: pip install 'htmrun[ray]'"
        ) from None
    _must_answer(full)
    try:
        ray.init(full, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise UserError(
            f"--on: cannot use {full}: {text}; Python and Ray must be of the same version on all "
            "nodes, and RAY_AUTH_MODE and the token the same"
        ) from error
    return ray


def _must_answer(address: str) -> None:
    """Raise UserError unless something listens there; Ray itself would wait for it."""
    import socket

    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise UserError(
            f"--on: no Ray answers at {address} ({error}); start it with: ray start --head "
            f"--ray-client-server-port={PORT}"
        ) from None
