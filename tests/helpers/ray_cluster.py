"""A Ray cluster on this machine for tests: a head without cores, nodes that come and go."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

from tests.helpers.experiments import started

PATIENCE_S = 300.0
"""For a machine that has much else to do."""
RUNNER = "ray::TaskRunner"
"""How a worker's process is called; while it runs a task, followed by the method."""
STARTED = "Ray runtime started"
COUNT = """
import sys, time, ray
ray.init(sys.argv[1], log_to_driver=False)
while sum(n["Alive"] and n["Resources"].get("CPU", 0) > 0 for n in ray.nodes()) < int(sys.argv[2]):
    time.sleep(0.2)
"""


def until(true: Callable[[], object], what: str) -> None:
    """Return once `true()`; fails after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_S:g} s"
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Node:
    """One node in a process group of its own; `ray stop` would end every Ray of the machine."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *arguments: str) -> None:
        command = [
            sys.executable, "-m", "ray.scripts.scripts", "start", "--block",
            "--object-store-memory=80000000", "--disable-usage-stats", *arguments,
        ]  # fmt: skip
        self.log = folder / f"{secrets.token_hex(4)}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=folder, start_new_session=True,
                env={**os.environ, **environment},
            )  # fmt: skip

    def stands(self) -> bool:
        """Return whether it runs, and the cluster has taken it in; waits until one is certain."""
        until(
            lambda: STARTED in self.log.read_text() or self.process.poll() is not None,
            "the node stands",
        )
        return self.process.poll() is None

    def members(self) -> list[psutil.Process]:
        """The processes of this node; workers have sessions of their own."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return list(psutil.Process(self.process.pid).children(recursive=True))
        return []

    def runners(self) -> list[psutil.Process]:
        """Workers that run a task at this moment."""
        found = []
        for member in self.members():
            with contextlib.suppress(psutil.Error):
                if " ".join(member.cmdline()).startswith(f"{RUNNER}."):
                    found.append(member)
        return found

    def end(self) -> None:
        members = self.members()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for member in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        self.process.wait(PATIENCE_S)


class Command:
    """A running command; its lines are read beside it, so that none is waited for in vain."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((process.stdout, self.out), (process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: IO[str], lines: list[str]) -> None:
        for line in iter(stream.readline, ""):
            lines.append(line.rstrip("\n"))

    def until(self, true: Callable[[], object], what: str) -> None:
        """Return once `true()`; fails when the command ends before, or after PATIENCE_S.

        What was seen once counts: a worker between two tasks is no runner for a moment.
        """
        seen = False

        def seen_or_ended() -> bool:
            nonlocal seen
            seen = bool(true())
            return seen or self.process.poll() is not None

        until(seen_or_ended, what)
        assert seen or true(), (what, self.out, self.err)

    def until_said(self, words: str) -> None:
        """Return once a line with `words` was printed."""
        self.until(lambda: any(words in line for line in [*self.out, *self.err]), words)

    def ended(self) -> int:
        """Return the exit status once everything was read."""
        status = self.process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        return status


class RayCluster:
    """The head and the nodes that joined; `environment` is what a client needs."""

    def __init__(self, folder: Path) -> None:
        token = folder / "token"
        token.touch(0o600)
        token.write_text(secrets.token_hex(32))
        self.environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
        self.folder, self._port, client = folder, free_port(), free_port()
        self.address = f"ray://127.0.0.1:{client}"
        self._nodes: list[Node] = []
        self.head = Node(
            folder, self.environment, f"--port={self._port}", f"--ray-client-server-port={client}",
            "--head", "--num-cpus=0", "--include-dashboard=false",
        )  # fmt: skip
        try:
            until(lambda: listens(client), "the head answers")
        except BaseException:
            self.close()
            raise

    def join(self, *arguments: str, path: str | None = None) -> Node:
        """Start a node with one core; `path`: where it finds Python packages first.

        One after the other: two that start at once take the same socket, and both end.
        """
        environment = self.environment | ({} if path is None else {"PYTHONPATH": path})
        joining = (f"--address=127.0.0.1:{self._port}", "--num-cpus=1", *arguments)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            node = Node(self.folder, environment, *joining)
            self._nodes.append(node)
            if node.stands():
                return node
            # Others start nodes on this machine, too.
            node.end()
            assert time.monotonic() < deadline, node.log.read_text()

    def await_nodes(self, count: int) -> None:
        """Return once the cluster itself lists so many living nodes with cores."""
        environment = {**os.environ, **self.environment}
        deadline = time.monotonic() + PATIENCE_S
        while True:  # A head that has only just started may not serve clients yet.
            done = subprocess.run(
                [sys.executable, "-c", COUNT, self.address, str(count)], env=environment,
                cwd=self.folder, capture_output=True, text=True,
                timeout=max(1.0, deadline - time.monotonic()),
            )  # fmt: skip
            if done.returncode == 0:
                return
            assert time.monotonic() < deadline, done.stderr

    def kill_a_runner(self) -> int:
        """Kill a worker in the middle of a task, SIGKILL; return its process id."""
        found: list[psutil.Process] = []

        def one() -> bool:
            found[:] = [runner for node in self._nodes for runner in node.runners()]
            return bool(found)

        until(one, "a worker runs a task")
        found[0].kill()
        return int(found[0].pid)

    def close(self) -> None:
        """End all nodes."""
        for node in [*self._nodes, self.head]:
            node.end()

    @contextmanager
    def htmrun(self, *arguments: str, cwd: Path) -> Iterator[Command]:
        """`htmrun ... --on ADDRESS`, ended whatever happens."""
        process = started(*arguments, "--on", self.address, cwd=cwd, environment=self.environment)
        try:
            yield Command(process)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE_S)
