"""What makes arms incomparable: other data, other seeds, jobs that did not finish."""

from __future__ import annotations

from htmrun.tracking.read_runs import ExperimentRun

_HASH = 8


def unequal(run: ExperimentRun) -> list[str]:
    """Return a line for everything in which the arms and controls are not equal."""
    return [*_unfinished(run), *_seeds(run), *_data(run)]


def _unfinished(run: ExperimentRun) -> list[str]:
    if not run.unfinished:
        return []
    listed = ", ".join(
        f"{name} ({'still running' if status == 'RUNNING' else status.lower()})"
        for name, status in run.unfinished
    )
    return [f"did not finish: {listed}"]


def _seeds(run: ExperimentRun) -> list[str]:
    everything = {arm: run.seeds(arm) for arm in run.everybody}
    union = set().union(*everything.values()) if everything else set()
    return [
        f"{arm} has no result for seed {', '.join(map(str, missing))}"
        for arm, seeds in everything.items()
        if (missing := sorted(union - seeds))
    ]


def _data(run: ExperimentRun) -> list[str]:
    by_hash: dict[str, list[str]] = {}
    for arm in run.everybody:
        by_hash.setdefault(run.data.get(arm, ""), []).append(arm)
    if len(by_hash) < 2:
        return []
    parts = [f"{', '.join(arms)} ({found[:_HASH]})" for found, arms in by_hash.items()]
    return [f"other data: {'; '.join(parts)}"]
