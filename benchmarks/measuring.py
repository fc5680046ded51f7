"""What all speed measurements share: short windows, rates of memory, tables, one core.

Every figure is taken over many short windows of processor time, because other work on the
machine only ever slows one down: `best` is what the code can do, `median` what it did here and now.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from htmrun.backends.bits import Bits

SHORTEST_S = 2e-5
"""A window goes on at least so long: some clocks stand still for as long as a call takes."""


class Rate(NamedTuple):
    """Samples per second."""

    best: float
    median: float


@dataclass(frozen=True)
class Table:
    """A table that is measured row by row; `rows` is told whether to be quick.

    The first `named` columns say what a row is about.
    """

    title: str
    about: str
    heads: Sequence[str]
    named: int
    rows: Callable[[bool], Iterator[list[str]]]


def windows(
    call: Callable[[Bits], object],
    samples: Bits,
    length: int,
    seconds: float = 0.0,
    clock: Callable[[], float] = time.process_time,
) -> Rate:
    """Time `call` on parts of `length` samples, in turn: all of them, and for `seconds`.

    At least five windows; the first is not counted if there are more. Several threads at once are
    timed by another `clock`, as processor time adds up theirs.
    """
    parts = [samples.slice(a, a + length) for a in range(0, len(samples) - length + 1, length)]
    rates: list[float] = []
    end = clock() + seconds
    done, begin = 0, clock()
    for part in cycle(parts):
        call(part)
        done, now = done + length, clock()
        if now - begin < SHORTEST_S:
            continue
        rates.append(done / (now - begin))
        done, begin = 0, clock()
        if now >= end and len(rates) > max(len(parts), 5):
            break
    return Rate(max(rates[1:]), median(rates[1:]))


def repeated(call: Callable[[], object], count: int, seconds: float) -> Rate:
    """Time a call that handles `count` things, again and again for `seconds`."""
    nothing = Bits(1, np.zeros(0, np.int32), np.zeros(count + 1, np.int64))
    return windows(lambda _: call(), nothing, count, seconds)


def plain_rate(call: Callable[[], object], count: int, seconds: float) -> float:
    """Return things per second of a slow call, once at least, the whole time counted."""
    begin, done = time.process_time(), 0
    while done == 0 or time.process_time() - begin < seconds:
        call()
        done += count
    return done / (time.process_time() - begin)


def update_rate(size: int) -> float:
    """Return bytes read plus written per second when `size` bytes are changed in place."""
    values = np.zeros(max(size // 2, 1 << 11), np.int16)
    return 4 * repeated(lambda: np.add(values, 1, out=values), len(values), 0.2).best


def read_rate(size: int) -> float:
    """Return bytes read per second when `size` bytes are read from one end to the other."""
    words = np.ones(max(size // 8, 1 << 12), np.uint64)
    return 8 * repeated(lambda: np.bitwise_xor.reduce(words), len(words), 0.2).best


def write_rate(size: int) -> float:
    """Return bytes written per second when `size` bytes are set."""
    words = np.ones(max(size // 8, 1 << 9), np.uint64)
    return 8 * repeated(lambda: words.fill(1), len(words), 0.2).best


def number(value: float, digits: int = 0) -> str:
    """Return a figure for a table; 0 stands for not measured and is left empty."""
    return f"{value:,.{digits}f}" if value else ""


def times(value: float, other: float) -> str:
    """Return how many times `other` goes into `value`; empty where it was not measured."""
    return f"{value / other:,.0f}x" if other else ""


def share(value: float, floor: float) -> str:
    """Return `value` as a share of what `floor` allows."""
    return f"{value / floor:.2f}" if floor else ""


ROOT = Path(__file__).resolve().parents[1]


def machine() -> str:
    """Return what the figures were taken on, without anything that names the machine."""
    cpu, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        models = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        cpu = models[0].partition(":")[2].strip() if models else cpu
    packages = ", ".join(f"{name} {version(name)}" for name in ("numba", "numpy"))
    return (
        f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}, "
        f"{time.strftime('%Y-%m-%d')}"
    )


def commit() -> str:
    """Return the commit of the code at work, in short; `-dirty` if files differ from it."""
    asked = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "of no repository"


_CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


def stay_on_one_core() -> None:
    """Leave this process one core, so that nothing that is measured has a second thread."""
    if _CORES is not None:
        os.sched_setaffinity(0, {max(_CORES)})


def cores() -> int:
    """Return how many cores there are for rows that use all of them."""
    return (os.cpu_count() or 1) if _CORES is None else len(_CORES)


@contextmanager
def all_cores() -> Iterator[None]:
    """Meanwhile use every core that this process had at its start."""
    if _CORES is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, _CORES)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def markdown(table: Table, rows: Sequence[Sequence[str]]) -> str:
    """Return a section with the table in Markdown."""
    lines = [f"## {table.title}", "", table.about.strip(), ""]
    lines += ["| " + " | ".join(table.heads) + " |", "| --- " * len(table.heads) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])


def measure(table: Table, quick: bool) -> list[list[str]]:
    """Measure a table, printing each row when it is there."""
    width = [max(len(h), 9) for h in table.heads]
    print(
        f"\n{table.title}\n"
        + "  ".join(h.rjust(w) for h, w in zip(table.heads, width, strict=True))
    )
    rows = []
    for row in table.rows(quick):
        print("  ".join(c.rjust(w) for c, w in zip(row, width, strict=True)), flush=True)
        rows.append(row)
    return rows


def main(description: str | None, tables: Sequence[Table]) -> None:
    """Measure `tables` from the command line."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter, without the largest")
    options = parser.parse_args()
    stay_on_one_core()
    for table in tables:
        measure(table, options.quick)
