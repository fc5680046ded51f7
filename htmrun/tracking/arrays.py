"""The arrays that jobs keep beside their figures: curves, distributions, losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np

from htmrun.compare.streams import StreamDifference, corrected, diebold_mariano
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
    from mlflow.exceptions import MlflowException

    try:
        return Path(client.download_artifacts(job.info.run_id, SERIES, folder))
    except (MlflowException, OSError):
        return None


def horizons(series: Series) -> list[int]:
    """Return the horizons for which losses along a stream were kept."""
    names = {name for seeds in series.values() for arrays in seeds.values() for name in arrays}
    return sorted(int(name.removeprefix("loss/")) for name in names if name.startswith("loss/"))


def stream_differences(
    series: Series, arms: Sequence[str], reference: str | None, task: str
) -> Iterator[StreamDifference]:
    """Yield, by horizon, each arm against the reference along the stream, losses averaged by seed.

    Only where both kept losses of equal length; Holm's correction is over the arms of one horizon.
    """
    loss = "squared error" if task == "forecast" else "error rate"
    for horizon in horizons(series):
        found: list[StreamDifference] = []
        base = _losses(series.get(reference or "", {}), horizon)
        for arm in arms:
            ours = _losses(series.get(arm, {}), horizon)
            seeds = sorted(ours.keys() & base.keys())
            if arm == reference or not seeds:
                continue
            differences = [ours[seed].astype(np.float64) - base[seed] for seed in seeds
                           if len(ours[seed]) == len(base[seed])]  # fmt: skip
            if not differences or len({len(d) for d in differences}) > 1:
                continue
            mean = np.mean(differences, axis=0)
            name = f"{loss}, {horizon} ahead"
            tested = diebold_mariano(arm, reference or "", name, mean, horizon)
            found += [] if tested is None else [tested]
        yield from corrected(found)


def _losses(seeds: Mapping[int, Mapping[str, np.ndarray]], horizon: int) -> dict[int, np.ndarray]:
    name = f"loss/{horizon}"
    return {seed: arrays[name] for seed, arrays in seeds.items() if name in arrays}
