"""Which of a run's many figures are compared, and in which order they stand."""

from __future__ import annotations

import re
from collections.abc import Sequence

from htmrun.compare.numbers import RATE
from htmrun.errors import UserError, nearest
from htmrun.training.measures.main_figures import main_among

# Each pattern is one place in the order; within it the run's own order stays. What people ask
# first stands first: the task's main figures, what else tells how well the task is done, what the
# representation is like, how learning went, and what it costs.
COMPARED = (
    r"(accuracy|macro_f1|nll|calibration_error)(_\d+)?",
    r"(rmse|nrmse|mae|mape|nll)(_\d+)?",
    r"(noise|fault)_\w+_area",
    r"stability",
    r"[^/]+/(sparsity|entropy|dead_(columns|units)|activity_p\d+)",
    r"[^/]+/(selectivity|probe_accuracy|update_cosine)",
    r"[^/]+/(predicted|bursting|specificity)",
    r"churn(_\w+)?",
    r"drift/\w+|recovery_samples|samples_to_target",
    r"[^/]+/boost_p\d+",
    r"[^/]+/(segments|synapses|events_dropped)",
    r"samples_per_s",
)


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
    patterns = (*map(re.escape, main), *COMPARED)
    places = {name: _place(name, patterns) for name in metrics}
    if not everything:
        # A run with figures of its own only is shown as it is.
        metrics = [name for name in metrics if places[name] < len(patterns)] or metrics
    return sorted(metrics, key=lambda name: places[name])


def _known(name: str, metrics: Sequence[str]) -> str:
    if name in metrics:
        return name
    hint = nearest(name, metrics) or "; `htmrun compare --all` lists them"
    raise UserError(f"--metric: found '{name}', expected a figure that an arm reports{hint}")


def _place(name: str, patterns: Sequence[str]) -> int:
    return next((i for i, p in enumerate(patterns) if re.fullmatch(p, name)), len(patterns))
