"""What jobs said of each row of a series, as one Parquet file a job: written, found, read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from htmrun._imports import pyarrow
from htmrun.errors import UserError, one_of
from htmrun.execution.quota import Quota
from htmrun.tracking.operations import FORECASTS
from htmrun.tracking.read_runs import ExperimentRun, find_run, gather
from htmrun.tracking.scratch import scratch
from htmrun.tracking.store import local_artifact, open_existing
from htmrun.training.records import Finished

TASKS = ("forecast", "anomaly")
"""Tasks of the experiments that run over a series of values."""
Table = dict[str, np.ndarray]
Tables = dict[str, dict[int, Table]]
"""Columns by name, by seed, by arm."""


@dataclass(frozen=True)
class ForecastFiles:
    """Writes the forecasts of a run's jobs, as long as all of them find room."""

    quota: Quota

    def write(self, record: Finished, folder: Path) -> Iterator[Path]:
        """Write a job's table and yield its file; of one that is too much its name is kept."""
        path = folder / FORECASTS
        write_table(path, record.forecasts)
        if self.quota.takes(record.job.name, path.stat().st_size):
            yield path


def write_table(path: Path, table: Mapping[str, np.ndarray]) -> None:
    """Write columns (T,) as Parquet: the same bytes for the same columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = pyarrow.table({name: pyarrow.array(column) for name, column in table.items()})
    # Bytes of one place stand beside each other: figures take two thirds of it.
    floats = [f.name for f in made.schema if pyarrow.types.is_floating(f.type)]
    pyarrow.parquet.write_table(
        made, path, compression="zstd", use_dictionary=False, use_byte_stream_split=floats
    )


def read_table(path: Path) -> Table:
    """Return what `write_table` wrote."""
    found = pyarrow.parquet.read_table(path)
    return {name: found[name].to_numpy() for name in found.column_names}


def table_of(client: Any, job: Any, folder: Path) -> Table:
    """Return the table of one of MLflow's runs, empty if it has none; may download to `folder`."""
    path = local_artifact(client, job, FORECASTS, folder)
    return {} if path is None else read_table(path)


def read_tables(client: Any, run: ExperimentRun) -> Tables:
    """Return the tables of every finished job; a job without any is left out."""
    found: Tables = {}
    with scratch() as folder:
        for arm in run.everybody:
            for seed, job in sorted(run.jobs[arm].items()):
                if table := table_of(client, job, folder):
                    found.setdefault(arm, {})[seed] = table
    return found


@dataclass(frozen=True)
class Kept:
    """The tables of a run that were asked for, and what to know of them, a line each."""

    run: str
    tables: Tables
    notes: tuple[str, ...]


def find_tables(
    wanted: str, arms: tuple[str, ...], seeds: tuple[int, ...], uri: str | None, directory: str
) -> Kept:
    """Return the tables of some arms and seeds of a run; empty: of all.

    wanted: as in `find_run`. Raises UserError for a name or number that there is not, and where no
    job kept any.
    """
    _, client = open_existing(uri, directory)
    run = gather(*find_run(client, wanted))
    _choose(run, arms, seeds)
    tables = read_tables(client, run)
    jobs = [(arm, seed, job) for arm in run.everybody for seed, job in run.jobs[arm].items()]
    bare = [job.info.run_name for arm, seed, job in jobs if seed not in tables.get(arm, {})]
    if not tables:
        some = ", ".join(bare[:3]) + (", ..." if len(bare) > 3 else "")
        why = "" if run.task in TASKS else f", whose task is {run.task},"
        raise UserError(
            f"forecasts: none were kept of {some or run.run}{why} expected a run that forecasts a "
            "series, with tracking.forecasts_mb large enough"
        )
    notes = [f"note: none were kept of {', '.join(bare)}"] if bare else []
    passes = {passes_of(job, tables[arm][seed]) for arm, seed, job in jobs if arm in tables
              and seed in tables[arm]}  # fmt: skip
    notes += [line for count in sorted(passes) if (line := which_pass(count))]
    return Kept(run.run, tables, tuple(notes))


def passes_of(job: Any, table: Table) -> int:
    """Return how often a job's series went by: the table is the first of these passes."""
    rows = len(next(iter(table.values())))
    return max(1, int(job.data.metrics.get("samples", rows)) // max(rows, 1))


def which_pass(passes: int) -> str:
    """Return a line that says which of several passes a table is of; empty for one."""
    if passes < 2:
        return ""
    return (
        f"note: these are of the first of {passes} passes over the series; in later ones it had "
        "been learned"
    )


def _choose(run: ExperimentRun, arms: tuple[str, ...], seeds: tuple[int, ...]) -> None:
    """Leave the jobs of some arms and seeds; raises UserError for one that there is not."""
    for arm in arms:
        if arm not in run.everybody:
            found = one_of(arm, run.everybody) if run.everybody else "and no arm has finished"
            raise UserError(f"--arm: found '{arm}' in {run.run}, {found}")
    run.arms = [arm for arm in run.arms if not arms or arm in arms]
    run.controls = [arm for arm in run.controls if not arms or arm in arms]
    known = sorted({seed for arm in run.everybody for seed in run.jobs[arm]})
    for seed in seeds:
        if seed not in known:
            raise UserError(
                f"--seed: found {seed}, expected one of {', '.join(map(str, known))} "
                f"({', '.join(run.everybody)} of {run.run})"
            )
    for arm in run.everybody:
        jobs = run.jobs[arm]
        run.jobs[arm] = {seed: job for seed, job in jobs.items() if not seeds or seed in seeds}
