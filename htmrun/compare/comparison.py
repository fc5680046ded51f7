"""Arms compared, paired by seed: what every output format and the report show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from htmrun.compare.answer import answer
from htmrun.compare.interval import FEWEST_SEEDS, INTERVAL_NOTE, Interval, mean_interval, seeds_note
from htmrun.compare.numbers import probability
from htmrun.compare.pareto import Offer, pareto
from htmrun.compare.ranks import FEWEST_ARMS, Ranking, rank
from htmrun.compare.statistics import (
    MARGIN,
    SIGNIFICANT,
    PairedDifference,
    fewest_seeds,
    smallest_p,
)
from htmrun.compare.streams import StreamDifference
from htmrun.compare.verdict import Verdict, against, judge
from htmrun.errors import UserError, nearest
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.training.measures.measure import RATE
from htmrun.training.measures.registry import better, main_among

_REFERENCE = "online"


@dataclass(frozen=True)
class MetricComparison:
    """One metric: each arm's mean with interval, and every arm minus the reference arm.

    `friedman` ranks three or more arms over their common seeds; None where there are fewer than
    three arms or six seeds, or no better way.
    """

    metric: str
    arms: dict[str, Interval]
    differences: tuple[PairedDifference, ...]
    friedman: Ranking | None = None


@dataclass(frozen=True)
class Comparison:
    """The whole comparison; `notes` say what the figures are, `warnings` what is unequal.

    `answer` says in one or two sentences what came of it, from the `verdict` on the first metric
    of which one way is better; `offers` set the task's main metric against speed; `streams` compare
    losses along a stream.
    """

    run: str
    experiment: str
    arms: tuple[str, ...]
    controls: tuple[str, ...]
    reference: str | None
    metrics: tuple[MetricComparison, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    task: str = ""
    offers: tuple[Offer, ...] = ()
    offers_metric: str = ""
    streams: tuple[StreamDifference, ...] = ()
    verdict: Verdict | None = None
    answer: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the answer."""
        return " ".join(self.answer)


def reference_arm(run: ExperimentRun, wanted: str | None) -> str | None:
    """Return the arm that others are compared with: `wanted`, else `online`, else the first.

    None without any arm. Raises UserError if `wanted` is none of the arms.
    """
    if wanted is not None:
        if wanted not in run.arms:
            raise UserError(
                f"--reference: found '{wanted}', expected an arm, one of {', '.join(run.arms)}"
                f"{nearest(wanted, run.arms)}"
            )
        return wanted
    return usual_reference(run.arms)


def usual_reference(arms: Sequence[str]) -> str | None:
    """Return `online` among the arms, else the first; None of none."""
    first = next((arm for arm in arms if arm.partition("@")[0] == _REFERENCE), None)
    return first or next(iter(arms), None)


def compare_arms(
    run: ExperimentRun, shown: Sequence[str], *, reference: str | None = None,
    warnings: Sequence[str] = (), streams: Sequence[StreamDifference] = (),
) -> Comparison:  # fmt: skip
    """Return the comparison of `run` in the metrics `shown`, in their order."""
    base = reference_arm(run, reference)
    judged = _judged(shown)
    found = {metric: _compare_metric(run, metric, base, judged) for metric in shown}
    metrics = tuple(metric for metric, _ in found.values())
    verdict = next((verdict for _, verdict in found.values() if verdict is not None), None)
    main = next(iter(main_among(run.task, run.metrics)), "")
    main = main if {main, RATE} <= set(shown) else ""
    return Comparison(
        run.run,
        run.experiment,
        tuple(run.arms),
        tuple(run.controls),
        base,
        metrics,
        tuple(_notes(run, base, metrics, verdict)),
        tuple(warnings),
        run.task,
        tuple(_offers(run, main)),
        main,
        tuple(streams),
        verdict,
        answer(verdict),
    )


def _judged(shown: Sequence[str]) -> str | None:
    """Return the metric that the answer is about: the first with a better way, speed at last."""
    ways = [metric for metric in shown if better(metric) != "none"]
    return next((metric for metric in ways if metric != RATE), next(iter(ways), None))


def _compare_metric(
    run: ExperimentRun, metric: str, reference: str | None, judged: str | None
) -> tuple[MetricComparison, Verdict | None]:
    values = {arm: run.of(arm, metric) for arm in run.everybody}
    arms = arm_means(run, metric)
    if metric == judged:
        differences, verdict = judge(metric, values, run.arms, run.controls, reference)
    else:
        differences, verdict = against(values, run.arms, reference), None
    ranking = _friedman(run, metric)
    return MetricComparison(metric, arms, tuple(differences), ranking), verdict


def arm_means(run: ExperimentRun, metric: str) -> dict[str, Interval]:
    """Return the mean of a metric over the seeds of each arm and control that has it."""
    values = {arm: run.of(arm, metric) for arm in run.everybody}
    return {
        arm: mean_interval([found[seed] for seed in sorted(found)])
        for arm, found in values.items()
        if found
    }


def _friedman(run: ExperimentRun, metric: str) -> Ranking | None:
    values = {arm: run.of(arm, metric) for arm in run.arms if run.of(arm, metric)}
    best = better(metric)
    if len(values) < FEWEST_ARMS or best == "none":
        return None
    seeds = sorted(set.intersection(*(set(found) for found in values.values())))
    if len(seeds) < FEWEST_SEEDS:
        return None
    table = [[values[arm][seed] for arm in values] for seed in seeds]
    try:
        return rank(table, list(values), lower_is_better=best == "down")
    except ValueError:  # A figure that is not a number has no rank.
        return None


def _offers(run: ExperimentRun, metric: str) -> list[Offer]:
    means = {
        name: {
            arm: mean_interval(list(values.values())).mean
            for arm in run.everybody
            if (values := run.of(arm, name))
        }
        for name in (metric, RATE)
    }
    if not metric:
        return []
    return pareto(means[metric], means[RATE], lower_is_better=better(metric) == "down")


def _notes(
    run: ExperimentRun,
    reference: str | None,
    metrics: Sequence[MetricComparison],
    verdict: Verdict | None,
) -> list[str]:
    controls = () if verdict is None else verdict.controls
    differences = [*(d for metric in metrics for d in metric.differences), *controls]
    most = max((len(run.seeds(arm)) for arm in run.everybody), default=0)
    notes = [INTERVAL_NOTE] if most > 1 else []
    if not differences:
        return [*notes, *([seeds_note(most)] if most and seeds_note(most) else [])]
    pairs = min(d.seeds for d in differences)
    if pairs < FEWEST_SEEDS:
        notes.append(
            f"differences are paired by seed, with their 95 % Student-t interval; {_EFFECT}"
        )
        return [*notes, seeds_note(pairs, fewest_seeds(_family(run)))]
    notes.append(
        "differences are paired by seed; p is two-sided, the larger of the sign-flip permutation "
        f"test's and {MARGIN:g} times the bootstrap-t's; the interval holds what that test does "
        f"not reject, so it leaves out 0 where p < {SIGNIFICANT:g}; {_EFFECT}"
    )
    if max(d.family for d in differences) > 1:
        notes.append(
            "(Holm): p and interval corrected for the "
            f"{_counted(metrics, verdict)} of one metric; significant means that this p < .05"
        )
    notes += _cannot(differences)
    ranked = [f"{m.metric} {probability(m.friedman.p)}" for m in metrics if m.friedman is not None]
    if ranked:
        notes.append(f"Friedman's p over all arms, seeds as blocks: {', '.join(ranked)}")
    return notes


_EFFECT = "d_z is the mean difference in standard deviations of the differences"


def _family(run: ExperimentRun) -> int:
    return max(len(run.arms) - 1, len(run.controls), 1)


def _counted(metrics: Sequence[MetricComparison], verdict: Verdict | None) -> str:
    arms = max((d.family for metric in metrics for d in metric.differences), default=0)
    controls = 0 if verdict is None else len(verdict.controls)
    parts = [
        f"{count} comparison{'' if count == 1 else 's'} {of}"
        for count, of in ((arms, "of arms"), (controls, "with controls"))
        if count
    ]
    return " and the ".join(parts)


def _cannot(differences: Sequence[PairedDifference]) -> list[str]:
    """Return a line where so many comparisons ask for more seeds than there are."""
    few = [d for d in differences if d.p is not None and d.too_few_seeds]
    if not few:
        return []
    most = max(few, key=lambda d: d.family)
    return [
        f"{most.seeds} seeds and {most.family} comparisons cannot give a corrected p under "
        f"{smallest_p(most.seeds, most.family):.4f}: nothing here can be called significant, with "
        f"{fewest_seeds(most.family)} seeds or more it can"
    ]
