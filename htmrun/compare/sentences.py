"""What stands below the answer, in words: arm by arm, speed, streams."""

from __future__ import annotations

from htmrun.compare.answer import called, listed, p_of, too_few
from htmrun.compare.comparison import Comparison
from htmrun.compare.numbers import number, probability
from htmrun.compare.statistics import SIGNIFICANT, PairedDifference
from htmrun.training.measures.measure import RATE
from htmrun.training.measures.registry import better

Groups = list[tuple[str, list[str]]]


def rest(comparison: Comparison) -> Groups:
    """Return headings with their sentences, those without any left out."""
    groups = [
        (f"Each arm against {comparison.reference}", against(comparison)),
        ("Speed and quality", of_speed(comparison)),
        ("Along the stream", of_streams(comparison)),
    ]
    return [(heading, lines) for heading, lines in groups if lines]


def against(comparison: Comparison) -> list[str]:
    """Return a sentence for each arm but the reference: in which metrics it is better or worse."""
    found: dict[str, list[tuple[str, PairedDifference]]] = {}
    for metric in comparison.metrics:
        for d in metric.differences if metric.metric != RATE else ():
            found.setdefault(d.arm, []).append((metric.metric, d))
    few = [d for pairs in found.values() for _, d in pairs if d.too_few_seeds]
    if few:
        return [f"Not to be said with so few seeds: {too_few(few[0])}."]
    return [f"{arm}: {'; '.join(_parts(pairs))}." for arm, pairs in found.items()]


def _parts(pairs: list[tuple[str, PairedDifference]]) -> list[str]:
    said: dict[str, list[str]] = {"better": [], "worse": [], "higher": [], "lower": []}
    equal, open_ = [], []
    for metric, d in pairs:
        if d.mean == 0 and d.effect is None:
            equal.append(metric)
        elif not d.significant:
            open_.append(metric)
        else:
            said[way(metric, d)].append(phrase(metric, d))
    parts = [
        f"{word}{' in' if word in ('better', 'worse') else ''} {listed(names)}"
        for word, names in said.items()
        if names
    ]
    parts += [f"not told apart in {listed(open_)}"] if open_ else []
    return parts + ([f"the same in {listed(equal)}"] if equal else [])


def way(metric: str, d: PairedDifference) -> str:
    """Return better or worse; higher or lower where no way is better."""
    if (best := better(metric)) == "none":
        return "higher" if d.mean > 0 else "lower"
    return "better" if (d.mean > 0) == (best == "up") else "worse"


def phrase(metric: str, d: PairedDifference) -> str:
    """Return ``"accuracy (0.0123 higher, p = 0.0039)"``."""
    words = "higher" if d.mean > 0 else "lower"
    return f"{called(metric)} ({number(abs(d.mean), metric)} {words}, {p_of(d)})"


def of_speed(comparison: Comparison) -> list[str]:
    """Return which arms another beats in both speed and quality, and which none does."""
    arms = [o for o in comparison.offers if o.arm in comparison.arms]
    if len(arms) < 2:
        return []
    by = {o.arm: [b for b in o.beaten_by if b in comparison.arms] for o in arms}
    free = [arm for arm, stronger in by.items() if not stronger]
    metric = comparison.offers_metric
    free_ones = listed(free, "or")
    said = f"By their means no other arm is both faster and better in {metric} than {free_ones}"
    lost = [f"{arm} is beaten in both by {listed(found)}" for arm, found in by.items() if found]
    lost += [
        f"the control {control} is both faster and better than {listed(slower)}"
        for control in comparison.controls
        if (slower := [o.arm for o in arms if control in o.beaten_by])
    ]
    return [f"{'; '.join([said, *lost])}. Speeds depend on what else the machine did."]


def of_streams(comparison: Comparison) -> list[str]:
    """Return what the losses along the stream say."""
    found = []
    for d in comparison.streams:
        p = d.p if d.p_holm is None else d.p_holm
        chance = "more than" if p < SIGNIFICANT else "no more than"
        found.append(
            f"{d.arm} has a {d.loss} {number(abs(d.mean))} {'lower' if d.mean < 0 else 'higher'} "
            f"than {d.reference} ({chance} chance by Diebold and Mariano's test, "
            f"p: {probability(p)})."
        )
    return found
