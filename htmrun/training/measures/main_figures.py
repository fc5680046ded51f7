"""The few figures of a run that people look at first: one list for every table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from htmrun.components.sources import Task

_MAIN: dict[str, tuple[str, ...]] = {
    "classification": (
        "accuracy",
        "prequential/accuracy",
        "noise_score",
        "noise_accuracy_area",
        "churn",
    ),
    "sequence": ("accuracy", "prequential/accuracy", "{memory}/predicted", "recovery_samples"),
    "forecast": ("rmse_{horizon}", "mape", "nll_{last}", "recovery_samples"),
}


def main_figures(
    task: Task | str, horizons: Sequence[int], memories: Sequence[str]
) -> tuple[str, ...]:
    """Return the main figures of a task, the first of which stands for it; () for another task.

    `horizons`: how far ahead is forecast; `memories`: names of the temporal memories, in order.
    """
    found: list[str] = []
    for name in _MAIN.get(task, ()):
        if "{horizon}" in name:
            found += [name.format(horizon=horizon) for horizon in horizons]
        elif "{last}" in name:
            found += [name.format(last=horizon) for horizon in horizons[-1:]]
        elif "{memory}" in name:
            found += [name.format(memory=memory) for memory in memories]
        else:
            found.append(name)
    return tuple(found)


def main_among(task: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the main figures of a task among the `names` that a run reports."""
    known = list(names)
    horizons = [int(m[1]) for name in known if (m := re.fullmatch(r"rmse_(\d+)", name))]
    memories = [m[1] for name in known if (m := re.fullmatch(r"([^/]+)/predicted", name))]
    return tuple(name for name in main_figures(task, sorted(horizons), memories) if name in known)
