"""Which of a run's many figures are compared, and in which order they stand."""

from __future__ import annotations

import math
from collections.abc import Sequence

from htmrun.errors import UserError, nearest
from htmrun.training.measures.measure import RATE
from htmrun.training.measures.registry import main_among, place


def select(
    metrics: Sequence[str], task: str, *, wanted: Sequence[str] = (), everything: bool = False
) -> list[str]:
    """Return the names in `metrics` to show: the main figures of `task` and the rate.

    `wanted` names them instead, in its own order; `everything` adds the rest: what else tells how
    the task was done, the representation, learning, then the same figures over other stretches of
    the stream and bookkeeping (counts, bytes, seconds, latencies). Raises UserError for an unknown
    name, and for both at once.
    """
    if wanted:
        if everything:
            raise UserError("--all: found together with --metric, expected one of the two")
        return list(dict.fromkeys(_known(name, metrics) for name in wanted))
    main = main_among(task, metrics)
    if not everything and main:
        return [*main, *(name for name in metrics if name == RATE)]
    rest = [name for name in metrics if name not in main]
    if not everything:
        # A run with metrics of its own only is shown as it is.
        rest = [name for name in rest if place(name) < math.inf] or rest
    return [*main, *sorted(rest, key=place)]


def _known(name: str, metrics: Sequence[str]) -> str:
    if name in metrics:
        return name
    hint = nearest(name, metrics) or "; `htmrun compare --all` lists them"
    raise UserError(f"--metric: found '{name}', expected a figure that an arm reports{hint}")
