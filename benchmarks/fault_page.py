"""The page about faults: what became of each, in two tables."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

RESULT = Path(__file__).parents[1] / "docs" / "results" / "faults.md"


@dataclass
class Row:
    """What became of a fault: exit status, points after it and at the end, what is wrong."""

    name: str
    expected: int = 0
    status: int = 0
    after: tuple[int, int, int] = (0, 0, 0)
    remedy: str = ""
    end: tuple[int, int, int] = (0, 0, 0)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


def as_line(row: Row) -> str:
    """Return a row of the table."""
    after, end = (" / ".join(map(str, counts)) for counts in (row.after, row.end))
    kept = "kept" if not row.wrong else "BROKEN"
    return (f"| {row.name} | {row.expected} | {row.status} | {after} | {row.remedy} | {end} | "
            f"{row.seconds:.0f} | {kept} |")  # fmt: skip


def write_page(rows: Sequence[Row], megabytes: int) -> None:
    """Put the tables that have rows into the page; other sections of it stay."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python "
    machine += (
        f"{platform.python_version()}, MLflow {version('mlflow')}, {time.strftime('%Y-%m-%d')}"
    )
    text = RESULT.read_text(encoding="utf-8") if RESULT.exists() else TITLE
    for heading, said in SECTIONS.items():
        chosen = [row for row in rows if row.name.startswith("full") == (heading == "Disk full")]
        if not chosen:
            continue
        broken = sum(bool(row.wrong) for row in chosen)
        above = [f"## {heading}", "", said.format(disk=megabytes, machine=machine), "", HEAD]
        below = ["", f"{len(chosen) - broken} of {len(chosen)} kept.", ""]
        lines = [*above, *map(as_line, chosen), *below]
        old = re.compile(rf"^## {heading}\n.*?(?=^## |\Z)", re.M | re.S)
        new = "\n".join(lines)
        text = old.sub(lambda _, new=new: new + "\n", text) if old.search(text) else (
            f"{text.rstrip()}\n\n{new}")  # fmt: skip
    RESULT.write_text(text.rstrip() + "\n", encoding="utf-8")


TITLE = "# What happens when something fails\n"
SECTIONS = {
    "Outages": """Made by `python benchmarks/faults.py --write` ({machine}): four
tiny jobs recorded by MLflow's own server behind a front that fails from a counted call on, or in a
SQLite database that another writer keeps locked. Points are (job, metric, step), those that measure
time left out; expected is what a run has that nothing happened to. Kept: exit status, what the last
line, `doctor` and `sync` say, no traceback, and at the end every point once (killed for good: all
the others wait in the outbox).""",
    "Disk full": """Made by the same command: the folder of runs is a disk (tmpfs) of {disk} MB that
is filled to the last byte right before the call that is named, and stays full until the command and
several others have ended. Exit status 1: the run went on and records were lost; 2: the command had
no room. Then room is made: `doctor`, `runs`, `resume`, `sync`, `compare` and `export` must work,
and every point stand there once (of a sweep: every trial, and the same best).""",
}

HEAD = """| fault | points expected | exit status | then stored / waiting / lost | remedy | \
at the end stored / doubled / lost | s | promise |
| --- | --- | --- | --- | --- | --- | --- | --- |"""
