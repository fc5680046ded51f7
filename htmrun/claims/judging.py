"""Rules applied to figures: paired differences by seed, intervals, and a verdict.

The intervals are those of `htmrun compare`, which hold at few seeds (docs/results/statistics.md).
That all of several rules are answered yes needs no correction, since each must hold; that any one
of them is answered so by chance is kept under 5 % by Bonferroni's correction (Berger 1982,
"Multiparameter hypothesis testing and acceptance sampling").
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from htmrun.claims.outcome import Figure, Outcome, Ruled
from htmrun.claims.schema import Claim, Rule, Size
from htmrun.compare.interval import FEWEST_SEEDS, mean_interval
from htmrun.compare.numbers import number
from htmrun.compare.statistics import (
    SIGNIFICANT,
    effect_size,
    fewest_seeds,
    paired_interval,
    paired_p,
    seeds_needed,
)
from htmrun.errors import UserError, one_of

Arms = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Metrics by arm and seed; `state_hash` among them, as a number."""
Figures = Mapping[str, Arms]
"""Arms by part of a claim."""
Reply = Literal["yes", "no", "open"]
EXACT = ("equal", "different")
"""Asked of pairs one by one, not of a mean."""


def judge(claim: Claim, figures: Figures, size: Size) -> Outcome:
    """Return the verdict on `claim`; UserError where a rule's metric is not reported."""
    deciding = sum(not rule.check for rule in claim.rules)
    rules = tuple(
        _ruled(claim, rule, f"rules[{place}]", figures, deciding)
        for place, rule in enumerate(claim.rules)
    )
    verdict, reason = _verdict(claim, rules)
    return Outcome(
        claim.number, size, verdict, reason, rules, tuple(_controls(claim, figures)),
        asked_seeds=getattr(claim.seeds, size),
    )  # fmt: skip


def _ruled(claim: Claim, rule: Rule, field: str, figures: Figures, deciding: int) -> Ruled:
    ours = _values(claim, f"{field}.of", rule.of, rule.metric, figures)
    if isinstance(rule.than, float):
        theirs = dict.fromkeys(ours, rule.than)
    else:
        other = rule.than_metric or rule.metric
        theirs = _values(claim, f"{field}.than", rule.other, other, figures)
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        raise UserError(f"claim {claim.number}: {field}: no seed in common, nothing to compare")
    differences = [ours[seed] - theirs[seed] for seed in seeds]
    against = None if isinstance(rule.than, float) else rule.other
    ruled = Ruled(
        rule.says, rule.metric, rule.ask, _by(rule, list(theirs.values())),
        _figure(rule.of, rule.metric, list(ours.values())),
        None if against is None
        else _figure(against, rule.than_metric or rule.metric, list(theirs.values())),
        rule.than if isinstance(rule.than, float) else None,
        None, None, None, len(seeds), "open", rule.check,
    )  # fmt: skip
    if rule.ask in EXACT:
        apart = replace(ruled, difference=float(sum(d != 0 for d in differences)))
        return replace(apart, answer=leaning(apart) if len(seeds) >= FEWEST_SEEDS else "open")
    strict = 1 if rule.check else deciding
    return _answered(ruled, differences, _Levels.of(claim.holds, strict))


@dataclass(frozen=True)
class _Levels:
    """At which level a yes and a no are decided."""

    yes: float
    no: float

    @classmethod
    def of(cls, holds: str, rules: int) -> _Levels:
        shared = SIGNIFICANT / rules
        return cls(SIGNIFICANT, shared) if holds == "all" else cls(shared, SIGNIFICANT)


def _answered(ruled: Ruled, differences: Sequence[float], levels: _Levels) -> Ruled:
    mean = fmean(differences)
    if not all(map(math.isfinite, differences)):
        return replace(ruled, difference=mean)
    if len(differences) < FEWEST_SEEDS:
        few = mean_interval(differences)
        return replace(
            ruled, difference=mean, low=few.low, high=few.high,
            needed=fewest_seeds(round(SIGNIFICANT / min(levels.yes, levels.no))),
        )  # fmt: skip
    p = paired_p(differences)
    yes = paired_interval(differences, levels.yes, apart=p < levels.yes)
    no = paired_interval(differences, levels.no, apart=p < levels.no)
    answer: Reply = "open"
    if _so(ruled, *yes):
        answer = "yes"
    elif _not_so(ruled, *no):
        answer = "no"
    low, high = no if answer == "no" else yes
    found = replace(ruled, difference=mean, low=low, high=high, answer=answer)
    return found if answer != "open" else replace(found, needed=_needed(ruled, differences, levels))


def _so(rule: Ruled, low: float, high: float) -> bool:
    if rule.ask == "higher":
        return low > rule.by
    if rule.ask == "lower":
        return high < -rule.by
    return low > -rule.by and high < rule.by


def _not_so(rule: Ruled, low: float, high: float) -> bool:
    if rule.ask == "higher":
        return high < rule.by
    if rule.ask == "lower":
        return low > -rule.by
    return low > rule.by or high < -rule.by


def leaning(rule: Ruled) -> Reply:
    """Return what the mean alone would answer: what a run of few seeds points to."""
    if rule.difference is None or not math.isfinite(rule.difference):
        return rule.answer
    if rule.ask in EXACT:
        return "yes" if (rule.difference == 0) == (rule.ask == "equal") else "no"
    if _so(rule, rule.difference, rule.difference):
        return "yes"
    return "no" if _not_so(rule, rule.difference, rule.difference) else "open"


def _needed(rule: Ruled, differences: Sequence[float], levels: _Levels) -> int | None:
    ends = {"higher": (rule.by,), "lower": (-rule.by,)}.get(rule.ask, (-rule.by, rule.by))
    mean = fmean(differences)
    nearest = min(ends, key=lambda end: abs(mean - end))
    effect = effect_size([difference - nearest for difference in differences])
    tests = round(SIGNIFICANT / min(levels.yes, levels.no))
    found = seeds_needed(effect, tests)
    # What so many seeds would have decided four times in five was open: say more than there were.
    return None if found is None else max(found, len(differences) + 1)


def _verdict(
    claim: Claim, rules: Sequence[Ruled]
) -> tuple[Literal["holds", "does not hold", "undecided"], str]:
    failed = [rule for rule in rules if rule.check and rule.answer != "yes"]
    deciding = [rule for rule in rules if not rule.check]
    yes = [rule for rule in deciding if rule.answer == "yes"]
    no = [rule for rule in deciding if rule.answer == "no"]
    seeds = min(rule.seeds for rule in rules)
    if seeds < FEWEST_SEEDS:
        return "undecided", _few(seeds, claim, deciding)
    if failed:
        return "undecided", f"the experiment's own condition is not met: {_told(failed[0])}"
    enough = len(yes) == len(deciding) if claim.holds == "all" else bool(yes)
    if enough:
        return "holds", "; ".join(map(_told, yes))
    against = bool(no) if claim.holds == "all" else len(no) == len(deciding)
    if against:
        return "does not hold", "; ".join(map(_told, no))
    return "undecided", "; ".join(_open(rule) for rule in deciding if rule.answer == "open")


def _few(seeds: int, claim: Claim, rules: Sequence[Ruled]) -> str:
    leans = [leaning(rule) for rule in rules]
    ways = {"all": (all, any), "any": (any, all)}[claim.holds]
    way = "it holds" if ways[0](x == "yes" for x in leans) else (
        "it does not hold" if ways[1](x == "no" for x in leans) else "neither side"
    )  # fmt: skip
    return (
        f"{seeds} seed{'s' * (seeds != 1)}, and below {FEWEST_SEEDS} nothing is decided; points "
        f"to: {way}. htmrun claim {claim.number} --full decides, with {claim.seeds.full}"
    )


def _told(rule: Ruled) -> str:
    return f"{rule.says}: {rule.answer}, {figures_of(rule)}"


def figures_of(rule: Ruled) -> str:
    """Return means, difference and interval in one line."""
    ours = f"{rule.metric} {number(rule.of.mean, rule.metric)}"
    theirs = rule.number if rule.than is None else rule.than.mean
    against = "" if theirs is None else f" against {number(theirs, rule.metric)}"
    if rule.ask in EXACT:
        return f"{rule.metric} differs in {rule.difference:g} of {rule.seeds} seeds"
    if rule.difference is None:
        return f"{ours}{against}"
    apart = f"{ours}{against}, difference {number(rule.difference, '')}"
    if rule.low is None or rule.high is None:
        return apart
    return f"{apart} (95 % {number(rule.low)} to {number(rule.high)})"


def _open(rule: Ruled) -> str:
    decided = f"about {rule.needed} seeds" if rule.needed is not None else (
        "hardly more seeds: the difference lies too near to the smallest effect that matters"
    )  # fmt: skip
    return f"{_told(rule)}; what would decide it: {decided}"


def _values(claim: Claim, field: str, name: str, metric: str, figures: Figures) -> dict[int, float]:
    part, arm = claim.place(name)
    seeds = figures[part][arm]
    found = {seed: metrics[metric] for seed, metrics in seeds.items() if metric in metrics}
    if not found:
        known = sorted({key for metrics in seeds.values() for key in metrics})
        where = field.rpartition(".")[0]
        raise UserError(
            f"claim {claim.number}: {where}: found metric '{metric}', {name} reports "
            f"{one_of(metric, known).removeprefix('expected ')}"
        )
    return found


def _by(rule: Rule, theirs: Sequence[float]) -> float:
    if isinstance(rule.by, str):
        return float(rule.by.rstrip("% ")) / 100 * abs(fmean(theirs))
    return rule.by


def _figure(name: str, metric: str, values: Sequence[float]) -> Figure:
    found = mean_interval(list(values))
    return Figure(name, metric, found.mean, found.half, len(values))


def _controls(claim: Claim, figures: Figures) -> list[Figure]:
    """Return each control's figure in every metric of a rule that is compared."""
    metrics = dict.fromkeys(rule.metric for rule in claim.rules if rule.ask not in EXACT)
    found = []
    for name in claim.control:
        part, arm = claim.place(name)
        for metric in metrics:
            values = [m[metric] for m in figures[part][arm].values() if metric in m]
            if values:
                found.append(_figure(name, metric, values))
    return found
