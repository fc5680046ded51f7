"""Run a case, read the file of what was, say what differs."""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from htmrun.cli import main
from htmrun.training.measures.registry import timed
from tests.golden.cases import SEEDS, UNRECORDED, arguments

FILE = Path(__file__).parent / "golden.json"
COMMAND = "python -m tests.golden --write"
WHAT = (
    "State hashes, figures and recorded series of every arm and control of experiments at small "
    f"size, for seeds {SEEDS[0]} and {SEEDS[1]}. A series: dtype, shape, and the mean of its "
    "finite values, each weighted by its place (1, 2, ...)."
)
EXACT = 1e-9
"""Relative: logarithms and sums of NumPy may end in another digit on another processor."""
SINGLE = 1e-6
"""The same for the means of series, whose values may be float32."""
SEARCHED = frozenset({"smoothing"})
"""Arms whose parameters a numerical search finds: where it stops hangs on the last digits."""
NETWORKS = 0.05
"""Relative, or absolute below 1: what torch may be off by on another machine or build."""


def machine() -> dict[str, str]:
    """Return what torch's results may depend on: its build and the processor."""
    import torch

    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "processor": models[0] if models else "unknown",
    }


def run(name: str, runs: Path, data: Mapping[str, Path]) -> dict[str, Any]:
    """Run a case through the command line, recorded under `runs`; return what must stay.

    ``{"arms": {arm: {"state_hash": [...], "figures": {name: [...]},
    "series": {name: [[dtype, shape, mean], ...]}}}}``, lists in the order of the seeds.
    """
    overrides = [text.format(**data) for text in arguments(name)]
    recorded = name not in UNRECORDED
    tracking = (f"tracking.dir={runs}",) if recorded else ("tracking=none",)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["train", *overrides, *tracking, "--json"])
    assert status == 0, err.getvalue()
    summary = json.loads(out.getvalue().splitlines()[-1])
    series = _series(runs, summary["run"]) if recorded else {}
    arms: dict[str, Any] = {}
    for arm, figures in summary["arms"].items():
        hashes = figures.pop("state_hash")["values"]
        arms[arm] = {
            "state_hash": hashes,
            "figures": {n: f["values"] for n, f in figures.items() if not timed(n)},
            "series": _by_name([series.get((arm, seed), {}) for seed in SEEDS]),
        }
    return {"arms": arms}


def _by_name(seeds: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return what each seed has under a name, None where it has nothing."""
    return {name: [seed.get(name) for seed in seeds] for name in {n for s in seeds for n in s}}


def _series(runs: Path, run_id: str) -> dict[tuple[str, int], dict[str, list[Any]]]:
    """Return what was recorded of each arm and seed, from MLflow."""
    from mlflow import MlflowClient
    from mlflow.artifacts import download_artifacts

    uri = f"sqlite:///{runs}/mlflow.db"
    client = MlflowClient(uri)
    every = [e.experiment_id for e in client.search_experiments()]
    found = {}
    for job in client.search_runs(every, f"tags.`htmrun.run` = '{run_id}'"):
        names = [a.path for a in client.list_artifacts(job.info.run_id)]
        kept: dict[str, list[Any]] = {}
        if "series.npz" in names:
            path = download_artifacts(f"{job.info.artifact_uri}/series.npz", tracking_uri=uri)
            with np.load(path) as arrays:
                kept = {
                    key: _portrait(arrays[key])
                    for key in arrays.files
                    if not timed(key.removeprefix("curve/"))
                }
        found[job.data.tags["htmrun.arm"], int(job.data.tags["htmrun.seed"])] = kept
    return found


def _portrait(array: np.ndarray) -> list[Any]:
    values = array.astype(np.float64).ravel()
    places, finite = np.arange(1.0, values.size + 1), np.isfinite(values)
    mean = float(np.average(values[finite], weights=places[finite])) if finite.any() else None
    return [array.dtype.name, list(array.shape), None if mean is None else float(f"{mean:.9g}")]


def differences(was: Mapping[str, Any], now: Mapping[str, Any], loose: bool) -> Iterator[str]:
    """Yield a line for all that differs between two results of `run`, none if nothing does.

    loose: a network on another machine or build of torch: hashes may differ, figures a little.
    """
    if list(was["arms"]) != list(now["arms"]):
        yield f"arms: was {list(was['arms'])}, is {list(now['arms'])}"
    for arm in was["arms"].keys() & now["arms"].keys():
        before, after = was["arms"][arm], now["arms"][arm]
        for i, seed in enumerate(SEEDS):
            job = f"{arm}, seed {seed}"
            if not loose and before["state_hash"][i] != after["state_hash"][i]:
                old, new = before["state_hash"][i], after["state_hash"][i]
                yield f"{job}, state_hash: was {old}, is {new}"
            exact = SINGLE if arm in SEARCHED else EXACT
            for part, near in (("figures", exact), ("series", SINGLE)):
                for name in sorted(before[part].keys() | after[part].keys()):
                    old, new = (each[part].get(name) for each in (before, after))
                    if old is None or new is None:
                        if i == 0:
                            yield f"{arm}, {name}: {'new' if old is None else 'gone'}"
                    elif not _same(old[i], new[i], NETWORKS if loose else near):
                        yield f"{job}, {name}: was {old[i]!r}, is {new[i]!r}"


def _same(old: Any, new: Any, near: float) -> bool:
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same, old, new, [near] * len(old)))
    if isinstance(old, float) and isinstance(new, float):
        if old.is_integer() and new.is_integer() and near < NETWORKS:
            return old == new
        return math.isclose(old, new, rel_tol=near, abs_tol=near if near == NETWORKS else 1e-12)
    return bool(old == new)


def written(machine: Mapping[str, str], cases: Mapping[str, Any]) -> str:
    """Return the file's text: sorted, one figure a line."""
    lines = [f'"made by": {json.dumps(COMMAND)},', f'"what": {json.dumps(WHAT)},']
    lines += [f'"networks are of": {json.dumps(dict(machine), sort_keys=True)},', '"cases": {']
    lines += [_block(cases, 1), "}"]
    return "{\n" + "\n".join(lines) + "\n}\n"


def _block(of: Mapping[str, Any], depth: int) -> str:
    """Return the inside of an object, arms in the order of the run."""
    parts = []
    for key, value in of.items() if depth == 3 else sorted(of.items()):
        if isinstance(value, dict):
            inner = f"{{\n{_block(value, depth + 1)}\n{' ' * depth}}}"
        else:
            inner = json.dumps(value)
        parts.append(f"{' ' * depth}{json.dumps(key)}: {inner}")
    return ",\n".join(parts)
