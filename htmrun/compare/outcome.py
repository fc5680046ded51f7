"""The answer of a run that has just ended, from its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from htmrun.compare.answer import answer
from htmrun.compare.comparison import usual_reference
from htmrun.compare.verdict import judge
from htmrun.training.measures.measure import RATE
from htmrun.training.measures.registry import better
from htmrun.training.records import Finished


def answer_of(
    results: Mapping[str, Sequence[Finished]], main_metrics: Sequence[str]
) -> tuple[str, ...]:
    """Return what `compare` answers of the first of `main_metrics`, as far as arms report it."""
    metric = next((m for m in main_metrics if m != RATE and better(m) != "none"), "")
    values = {
        arm: {r.job.seed: r.metrics[metric] for r in finished if metric in r.metrics}
        for arm, finished in results.items()
    }
    arms = [arm for arm, finished in results.items() if finished and not finished[0].job.control]
    controls = [arm for arm in results if values[arm] and arm not in arms]
    _, verdict = judge(metric, values, arms, controls, usual_reference(arms))
    return answer(verdict)
