"""One experiment run's arms compared: what every output format shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from htmrun.compare.reading import ExperimentRun
from htmrun.compare.statistics import (
    SIGNIFICANT,
    PairedDifference,
    paired_difference,
    smallest_p,
    with_holm,
)
from htmrun.console.interval import FEWEST_SEEDS, INTERVAL_NOTE, Interval, mean_interval, seeds_note

_REFERENCE = "online"


@dataclass(frozen=True)
class MetricComparison:
    """One metric: each arm's mean with interval, and every arm minus the reference arm."""

    metric: str
    arms: dict[str, Interval]
    differences: tuple[PairedDifference, ...]


@dataclass(frozen=True)
class Comparison:
    """The whole comparison; `notes` say what the figures are, `warnings` what is missing."""

    run: str
    experiment: str
    arms: tuple[str, ...]
    controls: tuple[str, ...]
    reference: str | None
    metrics: tuple[MetricComparison, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def compare_arms(run: ExperimentRun, shown: Sequence[str]) -> Comparison:
    """Return the comparison of `run` in the metrics `shown`, in their order.

    The reference arm is `online`, or the first arm.
    """
    reference = _REFERENCE if _REFERENCE in run.arms else next(iter(run.arms), None)
    metrics = tuple(_compare_metric(run, metric, reference) for metric in shown)
    differences = [d for metric in metrics for d in metric.differences]
    return Comparison(
        run.run,
        run.experiment,
        tuple(run.arms),
        tuple(run.controls),
        reference,
        metrics,
        tuple(_notes(run, reference, differences)),
        tuple(_warnings(run)),
    )


def _compare_metric(run: ExperimentRun, metric: str, reference: str | None) -> MetricComparison:
    arms = {}
    for arm in [*run.arms, *run.controls]:
        values = run.of(arm, metric)
        if values:
            arms[arm] = mean_interval([values[seed] for seed in sorted(values)])
    differences = []
    if reference is not None:
        base = run.of(reference, metric)
        for arm in run.arms:
            if arm != reference and base.keys() & run.of(arm, metric).keys():
                differences.append(paired_difference(arm, reference, run.of(arm, metric), base))
    return MetricComparison(metric, arms, tuple(with_holm(differences)))


def _seeds(run: ExperimentRun, arm: str) -> set[int]:
    return {seed for values in run.values.get(arm, {}).values() for seed in values}


def _notes(
    run: ExperimentRun, reference: str | None, differences: list[PairedDifference]
) -> list[str]:
    most = max((len(_seeds(run, arm)) for arm in [*run.arms, *run.controls]), default=0)
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
        "p is the larger of Wilcoxon's signed-rank and 1.5 times the bootstrap-t p-value; Holm's correction is over the "
        f"{family} comparison{'' if family == 1 else 's'} of one metric; controls are not tested"
    )
    floor = smallest_p(pairs, family)
    if floor >= SIGNIFICANT:
        notes.append(
            f"{pairs} seeds and {family} comparisons cannot give a corrected p under "
            f"{floor:.4f}: nothing here can be called significant"
        )
    return notes


def _warnings(run: ExperimentRun) -> list[str]:
    warnings = []
    if run.unfinished:
        listed = ", ".join(f"{name} ({status.lower()})" for name, status in run.unfinished)
        warnings.append(f"warning: left out, because they did not finish: {listed}")
    everything = {arm: _seeds(run, arm) for arm in run.arms}
    union = set().union(*everything.values()) if everything else set()
    for arm, seeds in everything.items():
        if missing := sorted(union - seeds):
            listed = ", ".join(map(str, missing))
            warnings.append(f"warning: {arm} has no result for seed {listed}; pairs are fewer")
    return warnings
