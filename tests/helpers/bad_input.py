"""Commands run in processes of their own, with a limit of memory and time, watched from outside.

They are forked from a server that has imported what commands import, so that one costs no seconds.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import shlex
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import yaml

from htmrun.cli import main
from htmrun.config.compose import load

SECONDS, BYTES = 20, 2 << 30
WATCHED = "work", "home"
"""Folders in which nothing may be written: the working directory and the user's home."""


@dataclass(frozen=True)
class Bad:
    """Something that a user may type: what makes its files, the command, and what its line says.

    make: is called in the working directory. env: variables beside those of the tests; None: unset.
    """

    name: str
    make: Callable[[], object]
    command: str
    expected: str
    env: Mapping[str, str | None] | None = None
    given: tuple[str, ...] = ()
    """Overrides of a whole configuration that lies in my.yaml: composing it takes longest."""


@dataclass(frozen=True)
class Answer:
    """What a command did; peak: bytes of memory, written: files that it made or changed."""

    status: int | None
    out: str
    err: str
    peak: int
    seconds: float
    written: tuple[str, ...]


def answer_to(bad: Bad, folder: Path) -> Answer:
    """Run the command of `bad` in `folder`/work and return what it did."""
    for name in WATCHED:
        (folder / name).mkdir(exist_ok=True)
    with contextlib.chdir(folder / "work"):
        if bad.given:
            Path("my.yaml").write_text(whole(bad.given), encoding="utf-8")
        bad.make()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.helpers.warm"])
    here, there = context.Pipe(duplex=False)
    begun = time.monotonic()
    child = context.Process(target=_run, args=(bad.command, bad.env or {}, folder, there))
    child.start()
    there.close()
    child.join(SECONDS + 10)
    if child.exitcode is None:
        child.kill()
        child.join()
    seconds = time.monotonic() - begun
    with contextlib.suppress(ProcessLookupError):  # What it may have left running.
        os.killpg(child.pid, signal.SIGKILL)
    try:
        peak, written, status = here.recv()
    except EOFError:
        peak, written, status = 0, (), child.exitcode
    texts = [(folder / name).read_text(errors="replace") for name in ("out", "err")]
    return Answer(status, *texts, peak, seconds, written)


@cache
def whole(overrides: tuple[str, ...]) -> str:
    """Return a configuration as `train --dry-run` prints it."""
    return yaml.safe_dump(load(list(overrides)).resolved)


def _run(command: str, env: Mapping[str, str | None], folder: Path, pipe: Connection) -> None:
    home = folder / "home"
    kept = {n: os.environ.get(n, str(Path.home() / ".cache")) for n in ("XDG_CACHE_HOME",)}
    for name, value in {**kept, "HOME": str(home), **env}.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    tempfile.tempdir = None
    os.setsid()
    os.chdir(folder / "work")
    before = _state(folder)
    for number, name in ((1, "out"), (2, "err")):
        file = (folder / name).open("w", encoding="utf-8")
        os.dup2(file.fileno(), number)
        setattr(sys, f"std{name}", file)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 2 * BYTES,) * 2)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS)
    try:
        status = main(shlex.split(command))
    except BaseException:
        traceback.print_exc()
        status = 1
    signal.alarm(0)
    sys.stdout.flush()
    sys.stderr.flush()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    after = _state(folder)
    written = tuple(sorted(n for n in {*before, *after} if before.get(n) != after.get(n)))
    pipe.send((peak, written, status))
    pipe.close()
    os._exit(0)


def _state(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of every file; folders are none."""
    found = {}
    for name in WATCHED:
        for place, _, files in os.walk(folder / name):
            for entry in files:
                status = os.lstat(os.path.join(place, entry))
                found[os.path.join(place, entry)] = status.st_size, status.st_mtime_ns
    return found
