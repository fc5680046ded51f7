"""What it costs to keep how far a job is: python benchmarks/checkpoints.py [--write].

Takes about two minutes. With --write the table becomes docs/results/checkpoints.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from htmrun.components.sources import open_source
from htmrun.config.compose import load
from htmrun.execution.jobs import Builder
from htmrun.training.checkpoints import SHARE, Keeper
from htmrun.training.records import Job

RESULT = Path(__file__).parents[1] / "docs" / "results" / "checkpoints.md"
REPEATS = 15
JOBS = {
    "digits, 2048 columns": ("online", ("experiment=digits", "epochs=2")),
    "hourly energy, 2048 x 32 cells": ("online", ("experiment=stream",)),
    "sequences, 20,000 steps": ("online", ("experiment=sequences", "data.steps=20000")),
    "network, digits": ("sparse", ("experiment=sparse_digits", "epochs=2")),
}
INTRO = """# Keeping how far a job is

Made by `python benchmarks/checkpoints.py --write`: the state of a job at its last chunk, written as
`checkpoint_every` does (an npz archive with a checksum, flushed to the disk, put in the place of
the last one) and read again. Processor time of this process, and what passed on the clock with the
disk in it, the best of {repeats} in milliseconds. Share: of a job's time where it is written every
minute; where writing is slower than {limit:.1f} s it is written less often, so that it takes at
most 1 part in {share}.

| job | file, MB | write, processor | write, clock | read and load, processor | share |
| --- | --- | --- | --- | --- | --- |
"""


class EndError(Exception):
    """The job has come to the place where it is measured."""


class Late:
    """A keeper that measures at a job's last piece."""

    def __init__(self, keeper: Keeper, at: int) -> None:
        self.keeper, self.at = keeper, at
        self.trainer: Any = None
        self.row: list[float] = []

    def due(self) -> bool:
        return bool(self.trainer.run.sample >= self.at)

    def read(self) -> None:
        return None

    def write(self, _kept: Any) -> None:
        if self.row:
            return
        self.trainer._keeper = self.keeper
        cpu, clock = best(self.trainer._keep)
        read, _ = best(lambda: self.trainer.load(self.keeper.read()))
        self.row = [self.keeper.path.stat().st_size, cpu, clock, read]
        raise EndError


def best(act: Callable[[], object]) -> tuple[float, float]:
    """Return the least processor time and the least time on the clock, in seconds."""
    cpu, clock = [], []
    for _ in range(REPEATS):
        begun = time.process_time(), time.perf_counter()
        act()
        cpu.append(time.process_time() - begun[0])
        clock.append(time.perf_counter() - begun[1])
    return min(cpu), min(clock)


def measured(arm: str, overrides: tuple[str, ...], folder: Path) -> list[float]:
    """Return bytes of the file, seconds to write (processor, clock), seconds to read."""
    from htmrun.execution import jobs

    experiment = load([*overrides, "curve_points=20"]).experiment
    source = open_source(experiment.data)
    builder = Builder(experiment, source)
    late = Late(Keeper(folder / "job", "this", 1e9), builder.samples() * experiment.epochs - 1024)

    class Watched(jobs.Trainer):
        """A trainer that its keeper knows."""

        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            late.trainer = self

    class Files:
        def of_job(self, _job: Job) -> Late:
            return late

    own, jobs.Trainer = jobs.Trainer, Watched  # type: ignore[misc]
    kept: Any = Files()
    try:
        for _ in replace(builder, checkpoints=kept).work(Job(arm, 0))(lambda: False):
            pass
    except EndError:
        pass
    finally:
        jobs.Trainer = own  # type: ignore[misc]
    return late.row


def main() -> None:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}")
    write = parser.parse_args().write
    text = INTRO.format(repeats=REPEATS, limit=60 / SHARE, share=SHARE)
    for name, (arm, overrides) in JOBS.items():
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            size, cpu, clock, read = measured(arm, overrides, Path(folder))
        text += (
            f"| {name} | {size / 1e6:.1f} | {1e3 * cpu:.1f} | {1e3 * clock:.1f} | "
            f"{1e3 * read:.1f} | {100 * clock / 60:.3f} % |\n"
        )
    print(text)
    if write:
        RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
