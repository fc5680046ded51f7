"""The arrays that jobs keep beside their figures: curves, distributions, losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from htmrun.tracking.operations import SERIES
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.tracking.scratch import scratch
from htmrun.tracking.store import local_artifact

# arm -> seed -> name -> array
Series = dict[str, dict[int, dict[str, np.ndarray]]]


def read_series(client: Any, run: ExperimentRun) -> Series:
    """Return the arrays of every finished job; a job without any is left out."""
    found: Series = {}
    with scratch() as folder:
        for arm, jobs in run.jobs.items():
            for seed, job in jobs.items():
                if arrays := series_of(client, job, folder):
                    found.setdefault(arm, {})[seed] = arrays
    return found


def series_of(client: Any, job: Any, folder: Path) -> dict[str, np.ndarray]:
    """Return the arrays of one of MLflow's runs, none if it has none; may download to `folder`."""
    path = local_artifact(client, job, SERIES, folder)
    if path is None:
        return {}
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}
