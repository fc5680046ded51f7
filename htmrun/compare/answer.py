"""The answer in one or two sentences: which arm, against the other arms and the controls."""

from __future__ import annotations

from collections.abc import Sequence

from htmrun.compare.interval import FEWEST_SEEDS
from htmrun.compare.numbers import number, probability
from htmrun.compare.statistics import (
    MOST_SEEDS,
    PairedDifference,
    fewest_seeds,
    seeds_needed,
    smallest_p,
)
from htmrun.compare.verdict import Verdict
from htmrun.training.measures.measure import RATE


def answer(verdict: Verdict | None) -> tuple[str, ...]:
    """Return a sentence about the other arms and one about the controls, as far as there are."""
    if verdict is None:
        return ()
    found = [_of_arms(verdict), _of_controls(verdict)]
    return tuple(sentence for sentence in found if sentence)


def called(metric: str) -> str:
    """Return how sentences and tables call a metric."""
    return "samples/s" if metric == RATE else metric


def _of_arms(v: Verdict) -> str:
    if not v.others:
        return f"{v.leader} reaches {called(v.metric)} {_mean(v, v.leader)}."
    first, name = v.others[0], called(v.metric)
    if all(d.effect is None and d.mean == 0 for d in v.others):
        return f"All arms have the same {name}, {_mean(v, v.leader)}, with {_seeds(first.seeds)}."
    both = f"{v.leader} ({_mean(v, v.leader)})"
    if first.too_few_seeds:
        return f"{both} has the best mean {name}, {_beside(v, first)}, but {too_few(first)}."
    open_ = [d for d in v.others if not v.beaten(d)]
    if not open_:
        every = "" if len(v.others) == 1 else ", the best other arm"
        theirs = f"{_mean(v, first.reference)} of {first.reference}{every}"
        return (
            f"{v.leader} is best in {name}: {_mean(v, v.leader)} against {theirs} ({p_of(first)})."
        )
    names = [f"{d.reference} ({_mean(v, d.reference)})" for d in open_]
    beaten = [d.reference for d in v.others if v.beaten(d)]
    than = f" is better than {listed(beaten)} but" if beaten else " is"
    return (
        f"No arm is shown to be best in {name}: {both}{than} not told apart from "
        f"{listed(names, 'or')} with {_seeds(open_[0].seeds)}: "
        f"{span(open_[0], v.metric)}{more_seeds(open_[0])}."
    )


def _of_controls(v: Verdict) -> str:
    if not v.controls:
        return ""
    first = v.controls[0]
    control = f"{first.reference} ({_mean(v, first.reference)})"
    best = "the control" if len(v.controls) == 1 else "the best control,"
    if first.too_few_seeds:
        return (
            f"{best.capitalize()} {control} stands beside it; {_seeds(first.seeds)} cannot decide "
            f"whether {v.leader} beats it: {_why(first)}."
        )
    open_ = [d for d in v.controls if not v.beaten(d)]
    if not open_:
        every = "it" if len(v.controls) == 1 else "every control"
        by = number(abs(first.mean), v.metric)
        if every == "it":
            return f"{v.leader} beats {best} {control} by {by} ({p_of(first)})."
        return f"{v.leader} beats {every}, {best} {control} by {by} ({p_of(first)})."
    stronger = [d for d in open_ if d.significant]
    if stronger:
        names = listed([f"{d.reference} ({_mean(v, d.reference)})" for d in stronger])
        control = "The control" if len(stronger) == 1 else "The controls"
        are = "is" if len(stronger) == 1 else "are"
        best = v.leader if not v.others else f"{v.leader}, the best arm"
        return f"{control} {names} {are} better than {best} ({p_of(stronger[0])})."
    names = listed([f"{d.reference} ({_mean(v, d.reference)})" for d in open_], "or")
    kind = "control" if len(open_) == 1 else "controls"
    beaten = [d.reference for d in v.controls if v.beaten(d)]
    than = f" beats {listed(beaten)} but" if beaten else ""
    return (
        f"{v.leader}{than} is not shown to beat the {kind} {names}: "
        f"{span(open_[0], v.metric)}{more_seeds(open_[0])}."
    )


def _beside(v: Verdict, d: PairedDifference) -> str:
    return f"ahead of {d.reference} ({_mean(v, d.reference)})"


def _mean(v: Verdict, arm: str) -> str:
    return number(v.means[arm], v.metric)


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"


def too_few(d: PairedDifference) -> str:
    """Return that so few seeds decide nothing here, why, and how many would."""
    return f"{_seeds(d.seeds)} cannot decide that: {_why(d)}"


def _why(d: PairedDifference) -> str:
    enough = fewest_seeds(d.family)
    if d.seeds < FEWEST_SEEDS:
        return f"nothing is tested below {FEWEST_SEEDS}, and it takes {enough} or more here"
    floor = probability(smallest_p(d.seeds, d.family))
    return f"with {d.family} comparisons no corrected p can be under {floor}; {enough} or more can"


def more_seeds(d: PairedDifference) -> str:
    """Return about how many seeds a difference as small as the one seen asks for, "" if no more."""
    needed = seeds_needed(d.effect, d.family)
    if d.effect is None or (needed is not None and needed <= d.seeds):
        return ""
    about = f"more than {MOST_SEEDS:,}" if needed is None else f"about {needed}"
    return f"; if it is real, it takes {about} seeds to see"


def span(d: PairedDifference, metric: str) -> str:
    """Return the difference's size with the interval that goes with its corrected p-value."""
    low, high = (d.low, d.high) if d.low_holm is None else (d.low_holm, d.high_holm)
    if low is None or high is None:
        return f"difference {number(d.mean, metric)}"
    return f"difference {number(d.mean, metric)}, {number(low, metric)} to {number(high, metric)}"


def p_of(d: PairedDifference) -> str:
    """Return ``"p = 0.0123"``, the corrected one."""
    assert d.p_holm is not None, "asked of a difference that was tested"
    return f"p = {probability(d.p_holm)}".replace("= <", "< ")


def listed(names: Sequence[str], word: str = "and") -> str:
    """Return ``"a, b and c"``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"
