"""Arms compared, paired by seed: what every output format and the report show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from htmrun.compare.interval import FEWEST_SEEDS, INTERVAL_NOTE, Interval, mean_interval, seeds_note
from htmrun.compare.numbers import probability
from htmrun.compare.pareto import Offer, pareto
from htmrun.compare.ranks import FEWEST_ARMS, Ranking, rank
from htmrun.compare.statistics import (
    MARGIN,
    SIGNIFICANT,
    PairedDifference,
    paired_difference,
    smallest_p,
    with_holm,
)
from htmrun.compare.streams import StreamDifference
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

    `offers` set the first metric against speed; `streams` compare losses along a stream.
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
    first = next((arm for arm in run.arms if arm.partition("@")[0] == _REFERENCE), None)
    return first or next(iter(run.arms), None)


def compare_arms(
    run: ExperimentRun, shown: Sequence[str], *, reference: str | None = None,
    warnings: Sequence[str] = (), streams: Sequence[StreamDifference] = (),
) -> Comparison:  # fmt: skip
    """Return the comparison of `run` in the metrics `shown`, in their order."""
    base = reference_arm(run, reference)
    metrics = tuple(_compare_metric(run, metric, base) for metric in shown)
    main = next(iter(main_among(run.task, run.metrics)), "")
    return Comparison(
        run.run,
        run.experiment,
        tuple(run.arms),
        tuple(run.controls),
        base,
        metrics,
        tuple(_notes(run, base, metrics)),
        tuple(warnings),
        run.task,
        tuple(_offers(run, main)),
        main,
        tuple(streams),
    )


def _compare_metric(run: ExperimentRun, metric: str, reference: str | None) -> MetricComparison:
    arms = {}
    for arm in run.everybody:
        values = run.of(arm, metric)
        if values:
            arms[arm] = mean_interval([values[seed] for seed in sorted(values)])
    differences = []
    if reference is not None:
        base = run.of(reference, metric)
        for arm in run.arms:
            if arm != reference and base.keys() & run.of(arm, metric).keys():
                differences.append(paired_difference(arm, reference, run.of(arm, metric), base))
    return MetricComparison(metric, arms, tuple(with_holm(differences)), _friedman(run, metric))


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
    run: ExperimentRun, reference: str | None, metrics: Sequence[MetricComparison]
) -> list[str]:
    differences = [d for metric in metrics for d in metric.differences]
    most = max((len(run.seeds(arm)) for arm in run.everybody), default=0)
    notes = [INTERVAL_NOTE] if most > 1 else []
    if not differences:
        return [*notes, *([seeds_note(most)] if most and seeds_note(most) else [])]
    notes.append(
        f"differences are arm minus {reference}, paired by seed, with their 95 % t interval; "
        "d_z is the mean difference in standard deviations of the differences"
    )
    pairs = min(d.seeds for d in differences)
    if pairs < FEWEST_SEEDS:
        return [*notes, seeds_note(pairs)]
    family = len(run.arms) - 1
    notes.append(
        f"p is the larger of Wilcoxon's exact signed-rank p and {MARGIN} times the bootstrap-t p, "
        f"two-sided; Holm's correction is over the {family} comparison"
        f"{'' if family == 1 else 's'} of one metric; controls are not tested"
    )
    floor = smallest_p(pairs, family)
    if floor >= SIGNIFICANT:
        notes.append(
            f"{pairs} seeds and {family} comparisons cannot give a corrected p under "
            f"{floor:.4f}: nothing here can be called significant"
        )
    ranked = [f"{m.metric} {probability(m.friedman.p)}" for m in metrics if m.friedman is not None]
    if ranked:
        notes.append(f"Friedman's p over all arms, seeds as blocks: {', '.join(ranked)}")
    return notes
