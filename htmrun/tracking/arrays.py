"""The arrays that jobs keep beside their figures: curves, distributions, losses."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np

from htmrun._imports import mlflow
from htmrun.tracking.operations import SERIES
from htmrun.tracking.read_runs import ExperimentRun

# arm -> seed -> name -> array
Series = dict[str, dict[int, dict[str, np.ndarray]]]


def read_series(client: Any, run: ExperimentRun) -> Series:
    """Return the arrays of every finished job; a job without any is left out."""
    found: Series = {}
    with TemporaryDirectory(prefix="htmrun-") as folder:
        for arm, jobs in run.jobs.items():
            for seed, job in jobs.items():
                path = _local(client, job, folder)
                if path is not None:
                    with np.load(path) as arrays:
                        found.setdefault(arm, {})[seed] = {n: arrays[n] for n in arrays.files}
    return found


def _local(client: Any, job: Any, folder: str) -> Path | None:
    """Return a local copy of the job's arrays, the artifact itself where it lies on this disk."""
    place = urlparse(job.info.artifact_uri or "")
    if place.scheme in ("", "file"):
        path = Path(unquote(place.path)) / SERIES
        return path if path.exists() else None
    try:
        return Path(client.download_artifacts(job.info.run_id, SERIES, folder))
    except (mlflow.exceptions.MlflowException, OSError):
        return None
