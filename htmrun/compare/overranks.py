"""Arms ranked over several runs, each of them one data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from htmrun.compare.interval import mean_interval
from htmrun.compare.numbers import probability
from htmrun.compare.ranks import FEWEST_ARMS, Ranking, rank
from htmrun.errors import UserError
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.training.measures.registry import better, main_among

FEWEST_SETS = 3


@dataclass(frozen=True)
class DataSet:
    """One run: its metric and each arm's mean over seeds."""

    run: str
    experiment: str
    metric: str
    means: dict[str, float]


@dataclass(frozen=True)
class OverRanks:
    """Arms that all runs have in common, ranked over the runs; `notes` say what it means."""

    sets: tuple[DataSet, ...]
    ranking: Ranking
    notes: tuple[str, ...]


def over_ranks(runs: Sequence[ExperimentRun], wanted: Sequence[str], controls: bool) -> OverRanks:
    """Return the ranking of the common arms (and `controls`) by each run's first main figure.

    `wanted`: one figure to rank by instead. Raises UserError for fewer than three runs or arms, or
    a figure that a run does not have.
    """
    if len(wanted) > 1:
        raise UserError(f"--metric: found {len(wanted)} with --rank, expected one")
    if len(runs) < FEWEST_SETS:
        raise UserError(f"--rank: found {len(runs)} runs, expected at least {FEWEST_SETS}")
    common = [
        arm
        for arm in (runs[0].everybody if controls else runs[0].arms)
        if all(arm in (run.everybody if controls else run.arms) for run in runs)
    ]
    if len(common) < FEWEST_ARMS:
        found = ", ".join(common) or "none"
        raise UserError(
            f"--rank: found {len(common)} arms that all runs have ({found}), expected at least "
            f"{FEWEST_ARMS}"
        )
    sets = tuple(_data_set(run, common, wanted) for run in runs)
    # Losses become gains, so that one order serves every data set.
    table = [
        [-s.means[arm] if better(s.metric) == "down" else s.means[arm] for arm in common]
        for s in sets
    ]
    ranking = rank(table, common, lower_is_better=False)
    return OverRanks(sets, ranking, tuple(_notes(ranking)))


def _data_set(run: ExperimentRun, arms: Sequence[str], wanted: Sequence[str]) -> DataSet:
    metric = next(iter(wanted or main_among(run.task, run.metrics)), "")
    means = {}
    for arm in arms:
        values = list(run.of(arm, metric).values())
        if not values:
            raise UserError(
                f"--rank: {arm} of {run.run} has no figure '{metric}', expected one in every run"
            )
        means[arm] = mean_interval(values).mean
    if better(metric) == "none":
        raise UserError(f"--rank: found '{metric}', expected a figure of which one way is better")
    return DataSet(run.run, run.experiment, metric, means)


def _notes(ranking: Ranking) -> list[str]:
    f = (
        ""
        if ranking.f is None
        else (f"; Iman and Davenport's F = {ranking.f:.2f}, p = {ranking.p_f:.4f}")
    )
    notes = [
        "rank 1 is best; each data set counts once, by the mean over its seeds",
        f"Friedman's chi2 = {ranking.chi2:.2f}, p = {probability(ranking.p)}{f}",
        f"arms whose mean ranks differ by less than {ranking.critical:.2f} are not told apart "
        "(Nemenyi, 5 %)",
    ]
    for group in ranking.groups:
        notes.append(f"not told apart: {', '.join(group)}")
    return notes
