"""Commands of htmrun in forked children, killed at a moment that is drawn or aimed at."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil

AIMS = {
    "beginning": "htmrun.tracking.holding:tell",
    "store": "htmrun.tracking.store:Store.apply",
    "checkpoint": "htmrun.training.checkpoints:Keeper.write",
    "outbox": "htmrun.tracking.outbox:Outbox._write",
    "pictures": "htmrun.tracking.tracker:Tracker._attach_plots",
    "closing": "htmrun.tracking.holding:ended",
    "study": "htmrun.sweep.storage:_Journal.append_logs",
    "trials": "htmrun.sweep.record:SweepRecord._log",
}
"""Where a kill may be aimed: shortly after a call of such a function began."""
ENDS_WITHIN_S = 120.0


def warm(experiments: Sequence[Sequence[str]]) -> None:
    """Import what commands need and load compiled kernels, once for all children; no threads."""
    for module in (
        "htmrun.cli.running", "htmrun.cli.usage", "htmrun.sweep.session", "htmrun.tracking.resume",
        "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.artifact.local_artifact_repo",
        "mlflow.system_metrics.metrics.cpu_monitor", "matplotlib.backends.backend_agg",
        "optuna", "torch", "sklearn.datasets",
    ):  # fmt: skip
        import_module(module)
    from htmrun.config.compose import load
    from htmrun.execution.opening import open_run

    for arguments in experiments:
        open_run(load(list(arguments), None).experiment).builder.prepare()


def prepare(database: Path) -> None:
    """Make an empty database in a child, so that this process has no connection to any."""
    from htmrun.tracking.database import prepare_database

    child = os.fork()
    if child == 0:
        try:
            prepare_database(f"sqlite:///{database}", lambda _: None)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


@dataclass(frozen=True)
class Moment:
    """When a command is killed: `delay` seconds after its start, or after a call of `aim`.

    call: which of them. sent: the signal, to the whole group or to the command's process alone.
    outage: the store refuses everything from so many operations on; None: never.
    """

    delay: float
    aim: str | None = None
    call: int = 1
    sent: int = signal.SIGKILL
    everybody: bool = False
    outage: int | None = None

    def __str__(self) -> str:
        to = "group" if self.everybody else "process"
        where = "after its start" if self.aim is None else f"into call {self.call} of {self.aim}"
        lost = "" if self.outage is None else f", store away from operation {self.outage}"
        return f"{signal.Signals(self.sent).name} to its {to}, {self.delay:.3f} s {where}{lost}"


@dataclass(frozen=True)
class Ran:
    """What became of a command.

    status: its exit status, or the signal's number, negative; killed: whether the signal met it
    alive; calls: how often each function of AIMS was called, where it came to its end.
    """

    session: int
    status: int
    said: str
    seconds: float
    killed: bool
    calls: dict[str, int]


class Command:
    """A command that runs in a child with a session of its own."""

    def __init__(
        self, arguments: Sequence[str], folder: Path, moment: Moment | None = None
    ) -> None:
        """Start it in `folder`."""
        self._moment, self._begun, self._killed = moment, time.monotonic(), False
        self._told, tells = os.pipe()
        sys.stdout.flush()
        self.session = os.fork()
        if self.session == 0:
            status = 1
            try:
                os.close(self._told)
                status = _play(list(arguments), folder, moment, tells)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        os.close(tells)
        self._said = folder / f"said-{self.session}"

    def wait(self) -> Ran:
        """Kill it at its moment, wait for its end and return what became of it."""
        heard = b""
        moment, deadline = self._moment, self._begun + ENDS_WITHIN_S
        at = deadline if moment is None or moment.aim else self._begun + moment.delay
        while True:
            now = time.monotonic()
            if now >= at:
                self._kill()
                at = deadline = now + ENDS_WITHIN_S
            if select.select([self._told], [], [], max(0.0, at - now))[0]:
                part = os.read(self._told, 4096)
                if not part:
                    break
                if part.startswith(b"!") and not self._killed and moment is not None:
                    at, part = time.monotonic() + moment.delay, part[1:]
                heard += part
        os.close(self._told)
        _, status = os.waitpid(self.session, 0)
        # Killed at once, it has not even begun to say anything.
        said = self._said.read_text() if self._said.exists() else ""
        return Ran(
            self.session, os.waitstatus_to_exitcode(status), said,
            time.monotonic() - self._begun, self._killed, json.loads(heard or b"{}"),
        )  # fmt: skip

    def _kill(self) -> None:
        sent = signal.SIGKILL if self._moment is None else self._moment.sent
        everybody = self._moment is None or self._moment.everybody
        try:
            (os.killpg if everybody else os.kill)(self.session, sent)
        except ProcessLookupError:  # It has not come to make a group of its own.
            os.kill(self.session, sent)
        self._killed = True


def _play(arguments: list[str], folder: Path, moment: Moment | None, tells: int) -> int:
    """Run a command in this child; its output goes to a file, how often what was called to `tells`.

    Asked to end once it has ended, it is not broken off in what Python does last.
    """
    os.setsid()
    os.chdir(folder)
    (folder / "temporary").mkdir(exist_ok=True)
    os.environ["TMPDIR"] = str(folder / "temporary")
    import tempfile

    tempfile.tempdir = None
    said = os.open(f"said-{os.getpid()}", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for descriptor in (1, 2):
        os.dup2(said, descriptor)
    # A worker would read the script of this benchmark again.
    main_module: Any = sys.modules["__main__"]
    main_module.__spec__, main_module.__file__ = None, None
    del main_module.__file__
    sys.argv = ["htmrun", *arguments]
    calls: dict[str, int] = {}
    for name, where in AIMS.items():
        wanted = moment is not None and moment.aim == name
        call = moment.call if wanted and moment is not None else 0
        outage = moment.outage if moment is not None and name == "store" else None
        _watch(where, _counted(name, calls, call, tells, outage))
    from htmrun.cli import main

    try:
        status = main(arguments)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    atexit._run_exitfuncs()
    os.write(tells, json.dumps(calls).encode())
    return status


def _counted(
    name: str, calls: dict[str, int], call: int, tells: int, outage: int | None
) -> Callable[[], None]:
    def entered() -> None:
        calls[name] = calls.get(name, 0) + 1
        if calls[name] == call:
            os.write(tells, b"!")
        if outage is not None and calls[name] >= outage:
            raise OSError("the store is away")

    return entered


def _watch(where: str, entered: Callable[[], None]) -> None:
    """Have `entered` called whenever the function at `module:name` or `module:Class.name` is."""
    module, _, path = where.partition(":")
    owner: Any = import_module(module)
    *within, name = path.split(".")
    for part in within:
        owner = getattr(owner, part)
    before = getattr(owner, name)

    def instead(*values: Any, **named: Any) -> Any:
        entered()
        return before(*values, **named)

    setattr(owner, name, instead)


def living(session: int) -> Iterator[psutil.Process]:
    """Yield the processes of a command's session that still run."""
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue


def all_gone(session: int, within_s: float) -> bool:
    """Return whether a command and its workers end within so many seconds."""
    deadline = time.monotonic() + within_s
    while any(living(session)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
