"""What people wait for: python benchmarks/people_wait.py [--quick] [--write] [--beside TEXT].

Every command is run as a user runs it, in a process of its own, over a folder of its own. Processor
time is that of the process and all that it starts, which other work on the machine changes little;
wall-clock time, till the first line, is as it was. With --write the table becomes
docs/results/people_wait.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import psutil
from measuring import Table, commit, machine, markdown, measure

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "docs" / "results" / "people_wait.md"
MANY = 500
# 24 times as long as the shipped one: a job takes about a second.
SECONDS = ("experiment=digits", "epochs=72")
INTRO = """# What people wait for

Made by `python benchmarks/people_wait.py --write`: each command in a process of its own, as a user
runs it, over kernels that are compiled and files that were read before. *Processor* is the time
of the process and of all that it starts, in seconds: the best and the median of {count} runs.
*First line* is wall-clock seconds till something is printed into a pipe, the least of them.
{beside}

Machine: {machine}; commit {commit}.

"""
AFTER = """
- The first run in a new folder of runs takes about four seconds more: MLflow, imported only there
  and for a server, makes its database. The very first also compiles the kernels, about a minute,
  and says so.
- A job of a second is `digits` with 72 epochs instead of three. Recording is the drawing of the
  curves in the end, once per run, and for each job rows in the database, its arrays and its model.
- Probes: the 256 fixed samples are seen again at twenty levels of noise, 5,120 samples beside the
  4,314 that a job of `digits` is trained on: most of their time is kernels'. Noise is made once for
  all arms of a seed, and held-out samples that were just scored are not computed again. Jobs that
  train longer have a smaller share.
"""


class Run(NamedTuple):
    """Processor seconds of all; what was used, and what had passed, at the first line; silence."""

    processor: float
    till_line: float
    first_line: float
    silence: float


def run(folder: Path, *command: str) -> Run:
    """Run `htmrun` in `folder` to its end; raises CalledProcessError where it fails."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
    before, begun = os.times(), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "htmrun", *command], cwd=folder, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    tree, lines, till_line = psutil.Process(process.pid), [0.0], 0.0
    assert process.stdout is not None
    for _ in process.stdout:
        if len(lines) == 1:
            till_line = _used(tree)
        lines.append(time.perf_counter() - begun)
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command)
    lines.append(time.perf_counter() - begun)
    after = os.times()
    used = sum(after[2:4]) - sum(before[2:4])
    silence = max(b - a for a, b in pairwise(lines))
    return Run(used, till_line or used, lines[1], silence)


def _used(tree: psutil.Process) -> float:
    found = 0.0
    for one in (tree, *tree.children(recursive=True)):
        spent = one.cpu_times()
        found += spent.user + spent.system
    return found


@dataclass(frozen=True)
class Wait:
    """One thing that is waited for; `of` takes from a run what its aim, in seconds, is about."""

    what: str
    command: Sequence[str]
    aim: float
    many: bool = False
    of: Callable[[Run], float] = lambda run: run.processor


WAITS = (
    Wait("`train experiment=digits`: processor till the first line", ("train", "experiment=digits"),
         3.0, of=lambda run: run.till_line),
    Wait("`train experiment=digits`: longest silence, wall-clock", ("train", "experiment=digits"),
         10.0, of=lambda run: run.silence),
    Wait("`train experiment=digits --dry-run`", ("train", "experiment=digits", "--dry-run"), 1.0),
    Wait("`show experiment=digits`", ("show", "experiment=digits"), 1.0),
    Wait("`runs`", ("runs",), 1.5),
    Wait("`compare`", ("compare",), 1.5),
    Wait("`compare --report report`", ("compare", "--report", "report"), 5.0),
    Wait("`runs`, {many} runs", ("runs",), 2.5, many=True),
    Wait("`compare`, {many} runs", ("compare",), 2.5, many=True),
)  # fmt: skip


def many_runs(folder: Path, count: int) -> None:
    """Record runs of two arms and a control, two seeds each, through a tracker of htmrun's."""
    sys.path.insert(0, str(ROOT))
    from tests.helpers.synthetic import records, tracker

    for number in range(count):
        made = tracker(folder / "runs", f"20261122-{number:06d}-digits-{number:04x}")
        made._attach_plots = lambda: None  # type: ignore[method-assign]
        with made:
            for record in records(("online", "minibatch"), 2):
                made.handle(record)


def share_of_recording(folder: Path, quick: bool) -> float:
    """Return which share of the processor time of a run, its jobs a second each, recording takes.

    In one process, where it can be told apart: two runs differ more than that without it, too.
    """
    from htmrun.cli import main
    from htmrun.tracking.tracker import Tracker

    spent = [0.0]
    for name in ("__init__", "handle", "tell_of_the_run", "finish"):
        setattr(Tracker, name, _timed(getattr(Tracker, name), spent, time.process_time))
    seeds = ["seeds=[0,1,2]"] if quick else []
    begun = time.process_time()
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        main(["train", *SECONDS, *seeds, "workers=1", "--quiet"])
    return spent[0] / (time.process_time() - begun)


def shares_of_looks() -> tuple[float, float]:
    """Return which share of the time of jobs of digits, alone, probes take, and latency."""
    from htmrun.config.compose import load
    from htmrun.execution.session import begin
    from htmrun.training.measures.latency import Latency
    from htmrun.training.measures.probes import Probes

    builder = begin(load(["experiment=digits", "tracking=none"]).experiment).run.builder
    builder.prepare()
    spent = [[0.0], [0.0]]
    for kind, sum_ in zip((Probes, Latency), spent, strict=True):
        for hook in ("begin", "chunk", "look", "finish"):
            setattr(kind, hook, _timed(getattr(kind, hook), sum_))
    jobs = begin(builder.experiment).run.jobs[:20]
    for _ in range(2):  # The first time is not counted.
        spent[0][0], spent[1][0], begun = 0.0, 0.0, time.perf_counter()
        for job in jobs:
            for _record in builder.work(job)(lambda: False):
                pass
    passed = time.perf_counter() - begun
    return spent[0][0] / passed, spent[1][0] / passed


def _timed(
    hook: Callable[..., object], spent: list[float], clock: Callable[[], float] = time.perf_counter
) -> Callable[..., object]:
    def timed(*given: Any, **named: Any) -> object:
        begun = clock()
        found = hook(*given, **named)
        spent[0] += clock() - begun
        return found

    return timed


def rows(quick: bool) -> Iterator[list[str]]:
    """Measure one wait after the other."""
    many = MANY // 10 if quick else MANY
    with tempfile.TemporaryDirectory() as name:
        one, other = Path(name, "one"), Path(name, "many")
        for folder in (one, other):
            folder.mkdir()
        run(one, "train", "experiment=digits")  # The kernels, the database, the page cache.
        many_runs(other, many)
        known: dict[tuple[Path, tuple[str, ...]], list[Run]] = {}
        for wait in WAITS:
            where = other if wait.many else one
            found = known.setdefault((where, tuple(wait.command)), [])
            found += [run(where, *wait.command) for _ in range(count(quick) - len(found))]
            figures = [wait.of(each) for each in found]
            yield [
                wait.what.format(many=many), f"{min(figures):.2f}", f"{median(figures):.2f}",
                f"{min(each.first_line for each in found):.2f}", f"{wait.aim:g}",
                _met(median(figures), wait.aim),
            ]  # fmt: skip
        yield _share("recording: share of the processor time of a run, jobs of a second",
                     share_of_recording(one, quick), 0.05)  # fmt: skip
    probes, latency = shares_of_looks()
    yield _share("probes: share of a job of `digits`", probes, 0.15)
    yield ["latency of single samples: share of the same job", f"{latency:.1%}", "", "", "", ""]


def count(quick: bool) -> int:
    """Return how often each command is run."""
    return 2 if quick else 5


def _share(what: str, found: float, aim: float) -> list[str]:
    return [what, f"{found:.1%}", "", "", f"{aim:.0%}", _met(found, aim)]


def _met(found: float, aim: float) -> str:
    return "met" if found <= aim else "**not met**"


HEADS = ("what", "processor: best", "median", "first line", "aim", "")
TABLE = Table(
    "Waits", "The aim is about the median; shares are of one measurement.", HEADS, 1, rows
)


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="each twice, few runs")
    parser.add_argument("--write", action="store_true", help="write the page of results")
    parser.add_argument("--beside", default="", help="with --write: what else ran meanwhile")
    options = parser.parse_args()
    found = measure(TABLE, options.quick)
    if options.write:
        head = INTRO.format(
            count=count(options.quick), beside=options.beside, machine=machine(), commit=commit()
        )
        RESULT.write_text(head + markdown(TABLE, found) + AFTER, encoding="utf-8")


if __name__ == "__main__":
    main()
