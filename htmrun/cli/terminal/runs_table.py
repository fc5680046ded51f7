"""The list of runs, and what `htmrun clean` would remove, written out."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from htmrun.cli.terminal.terminal import console_for
from htmrun.compare.numbers import number
from htmrun.errors import UserError, must_be_one_of
from htmrun.sweep.listing import ListedSweep, listed_sweeps
from htmrun.sweep.listing import as_plain as sweep_as_plain
from htmrun.tracking.choose_runs import Jobs, choose
from htmrun.tracking.holding import FOLDER, all_begun, held
from htmrun.tracking.list_runs import Filters, Listed, as_plain, check, listed, remove, row, size_of
from htmrun.tracking.store import open_existing, store_uri

FORMATS = ("table", "csv", "json")
_MB = 1e6


def show_runs(
    filters: Filters, output_format: str, limit: int | None, uri: str | None, directory: str
) -> None:
    """Print the runs that match, newest first, at most `limit`; raises UserError."""
    must_be_one_of("format", output_format, FORMATS)
    check(filters)
    _, client = open_existing(uri, directory)
    found = [
        row(name, jobs, directory) for name, jobs in listed(client, filters, directory).items()
    ]
    shown = found if limit is None else found[:limit]
    if output_format == "json":
        print(json.dumps([as_plain(one) for one in shown], indent=2))
    elif output_format == "csv":
        print(_csv(shown).rstrip("\n"))
    else:
        _print_table(shown, len(found))
    known = {one.run for one in found}
    for early in all_begun(directory):
        if early.run not in known and not held(directory, early.run) and filters == Filters():
            line = f"{early.run} was cut short before its first record; htmrun resume goes on"
            print(line, file=sys.stderr)


def show_sweeps(
    filters: Filters, output_format: str, limit: int | None, uri: str | None, directory: str
) -> None:
    """Print the sweeps that match, newest first, at most `limit`; raises UserError."""
    must_be_one_of("format", output_format, FORMATS)
    check(filters)
    _, client = open_existing(uri, directory)
    found = listed_sweeps(client, filters, directory)
    shown = found if limit is None else found[:limit]
    if output_format == "json":
        print(json.dumps([sweep_as_plain(one) for one in shown], indent=2))
    elif output_format == "csv":
        print(_csv_of_sweeps(shown).rstrip("\n"))
    elif not shown:
        console_for(sys.stdout).print("no sweep matches")
    else:
        console_for(sys.stdout).print(_table_of_sweeps(shown))
        if len(shown) < len(found):
            words = f"{len(shown)} of {len(found)} sweeps; --limit shows more"
            console_for(sys.stdout).print(words, style="dim")


def _csv_of_sweeps(rows: Sequence[ListedSweep]) -> str:
    names = ("sweep", "experiment", "begun", "status", "done", "wanted", "failed", "arm")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, "objectives", "best", "run"])
    for one in rows:
        plain = sweep_as_plain(one)
        objectives = " ".join(f"{name}={way}" for name, way in one.objectives.items())
        best = " ".join(f"{name}={value!r}" for name, value in one.best.items())
        writer.writerow([*(plain[name] for name in names), objectives, best, one.run])
    return out.getvalue()


def _table_of_sweeps(rows: Sequence[ListedSweep]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("sweep", "status", "trials", "objective", "best", "run"):
        table.add_column(heading, no_wrap=heading != "objective")
    for one in rows:
        wanted = "?" if one.wanted is None else str(one.wanted)
        failed = f", {one.failed} failed" if one.failed else ""
        objectives = ", ".join(f"{name} ({way})" for name, way in one.objectives.items())
        best = ", ".join(number(value, name) for name, value in one.best.items())
        table.add_row(
            *map(Text, (one.sweep, one.status, f"{one.done}/{wanted}{failed}", objectives, best,
                        one.run[:8]))
        )  # fmt: skip
    return table


def _csv(rows: Sequence[Listed]) -> str:
    names = ("run", "experiment", "begun", "status", "jobs", "finished", "seeds", "arms", "metric")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, "figures", "overrides"])
    for one in rows:
        plain = as_plain(one) | {"arms": " ".join(one.arms)}
        figures = " ".join(f"{arm}={value!r}" for arm, value in one.figures.items())
        writer.writerow([*(plain[name] for name in names), figures, one.overrides])
    return out.getvalue()


def _print_table(rows: Sequence[Listed], count: int) -> None:
    console = console_for(sys.stdout)
    if not rows:
        console.print("no run matches")
        return
    console.print(_table(rows))
    if len(rows) < count:
        console.print(f"{len(rows)} of {count} runs; --limit shows more", style="dim")


def _table(rows: Sequence[Listed]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("run", "status", "jobs", "figures"):
        table.add_column(heading, no_wrap=heading in ("run", "status", "jobs"))
    for one in rows:
        means = ", ".join(f"{arm} {number(v, one.metric)}" for arm, v in one.figures.items())
        figures = f"{one.metric}: {means}" if means else ", ".join(one.arms)
        jobs = f"{one.finished}/{one.jobs}"
        table.add_row(Text(one.run), Text(one.status), Text(jobs), Text(figures))
    return table


def clean(
    wanted: Sequence[str], filters: Filters, delete: bool, uri: str | None, directory: str
) -> None:
    """Print which runs would go and how much disk they take; with `delete` remove them.

    `wanted` names runs (see `choose`), `filters` chooses among those or all. Raises UserError where
    neither says anything, and for a name that means a run which is still going.
    """
    if not wanted and filters == Filters():
        raise UserError(
            "RUN: found none and no filter, expected runs to remove (--status failed, "
            "--before 30d, an id)"
        )
    check(filters)
    target, client = open_existing(uri, directory)
    if delete and target != store_uri(uri, directory):
        raise UserError(
            f"--delete: {directory} cannot be written, expected a folder of runs that can be"
        )
    matching = listed(client, filters, directory)
    if wanted:
        named = choose(client, wanted)
        matching = {name: jobs for name, jobs in matching.items() if name in named}
    going = [n for n, jobs in matching.items() if row(n, jobs, directory).status == "running"]
    for name in going:
        print(f"{name}: still running, stays", file=sys.stderr)
    removable = {name: jobs for name, jobs in matching.items() if name not in going}
    _say(removable, delete)
    if delete:
        for name, jobs in removable.items():
            remove(client, jobs)
            # How far its jobs were is of use to nobody any more.
            for kept in ("checkpoints", FOLDER):
                shutil.rmtree(Path(directory) / kept / name, ignore_errors=True)


def _say(runs: dict[str, Jobs], delete: bool) -> None:
    if not runs:
        print("nothing to remove")
        return
    total = 0
    for name, jobs in runs.items():
        size = size_of(jobs)
        total += size
        one = row(name, jobs)
        begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.begun))
        print(f"{name}  {one.status}  {begun}  {len(jobs)} jobs  {size / _MB:.1f} MB")
    words = "removing" if delete else "would remove"
    runs_word = "run" if len(runs) == 1 else "runs"
    print(f"{words} {len(runs)} {runs_word}, {total / _MB:.1f} MB of files")
    if not delete:
        print("nothing was removed; --delete removes it")
