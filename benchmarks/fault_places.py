"""Places that fail on purpose: a server in front of MLflow's, and a small disk that fills up."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.request import urlopen

WELL, GONE, ERROR, SLOW, CUT, LOST = range(6)
"""What the server does: answer, be away, say 500, take SLOW_S, break off, keep its answer back."""
SLOW_S = 2.0
HOST = "127.0.0.1"
_FORK = multiprocessing.get_context("fork")


def _free_port() -> int:
    with closing(socket.create_server((HOST, 0))) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def mlflow_server(database: Path) -> Iterator[int]:
    """Run MLflow's own server over a database; yield its port."""
    port, folder = _free_port(), database.parent
    artifacts = (folder / "artifacts").as_uri()
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{database}", "--workers", "1"]
    command += ["--default-artifact-root", "mlflow-artifacts:/", "--artifacts-destination",
                artifacts]  # fmt: skip
    silent = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    log = (folder / "server.log").open("wb")
    process = subprocess.Popen(
        command, env={**os.environ, **silent}, stdout=log, stderr=log, start_new_session=True
    )
    try:
        for _ in range(600):
            try:
                urlopen(f"http://{HOST}:{port}/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        os.killpg(process.pid, 15)
        process.wait()
        log.close()


def forked(work: Callable[[], None]) -> int:
    """Do `work` in a child and return its process id.

    Not one of multiprocessing's: what else is forked would end it at its own end.
    """
    child = os.fork()
    if child:
        return child
    try:
        work()
    finally:
        os._exit(0)


class Front:
    """A server before another one, in a process of its own, which fails as it is told to."""

    def __init__(self, behind: int) -> None:
        self.port = _free_port()
        self._behind = behind
        self._does = _FORK.Value("i", WELL)
        self._listens = _FORK.Value("i", 0)
        self._process = forked(self._serve)
        self.be(WELL)

    def be(self, does: int) -> None:
        """Do that from now on; returns once it is so. Any process may ask for it."""
        self._does.value = does
        while self._listens.value != (does != GONE):
            time.sleep(0.005)

    def close(self) -> None:
        """End its process."""
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)

    def _serve(self) -> None:
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def _pass_on(self) -> None:
                front._answer(self)

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):
                    return self._pass_on
                raise AttributeError(name)

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Those whose connection was cut say it themselves."""

        while True:
            while self._does.value == GONE:
                time.sleep(0.005)
            with Server((HOST, self.port), Handler) as server:
                threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
                self._listens.value = 1
                while self._does.value != GONE:
                    time.sleep(0.005)
                server.shutdown()
            self._listens.value = 0

    def _answer(self, asked: BaseHTTPRequestHandler) -> None:
        does = self._does.value
        body = asked.rfile.read(int(asked.headers.get("Content-Length") or 0))
        asked.close_connection = does != WELL
        if does == GONE:
            return
        if does == ERROR:
            asked.send_error(500)
            return
        if does == SLOW:
            time.sleep(SLOW_S)
        connection = http.client.HTTPConnection(HOST, self._behind, timeout=60)
        kept = {k: v for k, v in asked.headers.items() if k.lower() not in ("host", "connection")}
        connection.request(asked.command, asked.path, body, kept)
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        if does == LOST:  # What was asked for has been done, but nobody hears of it.
            return
        asked.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection", "date"):
                asked.send_header(name, value)
        asked.send_header("Content-Length", str(len(said)))
        asked.end_headers()
        asked.wfile.write(said[: len(said) // 2] if does == CUT else said)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Mount a disk of that size at `folder`; needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    size = f"size={megabytes}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, leave: int = 0) -> None:
    """Fill the disk of `folder` up to `leave` bytes."""
    # What a small disk says of its room is not exact: to the last byte one has to try.
    with (folder / "ballast").open("ab", buffering=0) as file, suppress(OSError):
        while (free := shutil.disk_usage(folder).free) > leave or not leave:
            file.write(b"\0" * max(4096, min(1 << 20, free - leave)))


def make_room(folder: Path) -> None:
    """Take away what `fill` wrote."""
    (folder / "ballast").unlink(missing_ok=True)


@contextmanager
def when(moments: Mapping[tuple[str, int], Callable[[], None]]) -> Iterator[None]:
    """Do something right before the n-th call of `module:name`, in whatever is forked meanwhile."""
    with ExitStack() as stack:
        for (where, wanted), act in moments.items():
            module, _, path = where.partition(":")
            owner: Any = import_module(module)
            *within, name = path.split(".")
            for part in within:
                owner = getattr(owner, part)
            stack.enter_context(mock.patch.object(owner, name, _counted(owner, name, wanted, act)))
        yield


def _counted(owner: Any, name: str, wanted: int, act: Callable[[], None]) -> Callable[..., Any]:
    before, calls = getattr(owner, name), [0]

    def instead(*values: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == wanted:
            act()
        return before(*values, **named)

    return instead


class Holder:
    """Another writer, which takes a SQLite database for a while and keeps everybody else out."""

    def __init__(self, database: Path, seconds: float) -> None:
        self._database, self._seconds = database, seconds
        self._ends, self._has = _FORK.Event(), _FORK.Event()
        self._asked = _FORK.Event()
        self._process = forked(self._hold)

    def take(self) -> None:
        """Take it; returns once it has. Any process may ask for it."""
        self._asked.set()
        self._has.wait()

    def let_go(self) -> None:
        """Let go of it."""
        self._ends.set()
        os.waitpid(self._process, 0)

    def _hold(self) -> None:
        self._asked.wait()
        with closing(sqlite3.connect(self._database, isolation_level=None, timeout=60)) as other:
            other.execute("BEGIN IMMEDIATE")
            self._has.set()
            self._ends.wait(self._seconds)
