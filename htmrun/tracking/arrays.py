"""The arrays that jobs keep beside their figures: curves, distributions, losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np

from htmrun._imports import mlflow
from htmrun.tracking.operations import SERIES
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.tracking.scratch import scratch

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
    path = _local(client, job, folder)
    if path is None:
        return {}
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _local(client: Any, job: Any, folder: Path) -> Path | None:
    """Return a local copy of the job's arrays, the artifact itself where it lies on this disk."""
    place = urlparse(job.info.artifact_uri or "")
    if place.scheme in ("", "file"):
        path = Path(unquote(place.path)) / SERIES
        return path if path.exists() else None
    try:
        return Path(client.download_artifacts(job.info.run_id, SERIES, str(folder)))
    except (mlflow.exceptions.MlflowException, OSError):
        return None
