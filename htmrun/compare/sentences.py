"""The comparison in words: what a reader wants to know first."""

from __future__ import annotations

from htmrun.compare.comparison import Comparison
from htmrun.compare.interval import FEWEST_SEEDS
from htmrun.compare.numbers import mean_and_half, number, probability
from htmrun.compare.statistics import PairedDifference
from htmrun.training.measures.measure import RATE
from htmrun.training.measures.registry import better


def answers(comparison: Comparison, most: int | None = None) -> list[str]:
    """Return a sentence for each difference in the metrics (the first `most`), rates left out."""
    metrics = [m for m in comparison.metrics if m.metric != RATE]
    found = []
    for metric in metrics[:most]:
        found += [_sentence(metric.metric, d) for d in metric.differences]
    return found


def _sentence(metric: str, d: PairedDifference) -> str:
    if d.mean == 0 and d.effect is None:
        seeds = "the one seed" if d.seeds == 1 else f"each of {d.seeds} seeds"
        return f"{d.arm} has the same {metric} as {d.reference} with {seeds}."
    words = "higher" if d.mean > 0 else "lower"
    size = number(abs(d.mean), metric)
    if d.low is None or d.high is None:
        return (
            f"{d.arm} has {metric} {size} {words} than {d.reference} with one seed: nothing can be "
            "said of how much of that is chance."
        )
    span = f"95 % interval {number(d.low, metric)} to {number(d.high, metric)}"
    said = f"{d.arm} has {metric} {size} {words} than {d.reference} ({span})"
    if not size.strip("0.,"):
        said = f"{d.arm} has on average the same {metric} as {d.reference} ({span})"
    if d.p_holm is None:
        return (
            f"{said}; with {d.seeds} seeds nothing is called significant (at least {FEWEST_SEEDS} "
            "are needed)."
        )
    p = f"p = {probability(d.p_holm)}".replace("= <", "< ")
    if not d.significant:
        return f"{said}: not told apart with {d.seeds} seeds ({p})."
    verdict = words
    if (best := better(metric)) != "none":
        verdict = "better" if (d.mean > 0) == (best == "up") else "worse"
    return f"{said}: significantly {verdict} ({p}, d_z = {_effect(d)})."


def _effect(d: PairedDifference) -> str:
    return "undefined" if d.effect is None else f"{d.effect:.1f}"


def of_controls(comparison: Comparison) -> list[str]:
    """Return what the controls reach in the first metric, beside the reference arm."""
    metric = next((m for m in comparison.metrics if m.metric != RATE), None)
    if metric is None or not comparison.controls or comparison.reference not in metric.arms:
        return []
    own = mean_and_half(metric.arms[comparison.reference], metric.metric)
    reached = [
        f"{control} {mean_and_half(metric.arms[control], metric.metric)}"
        for control in comparison.controls
        if control in metric.arms
    ]
    if not reached:
        return []
    return [
        f"For scale, the controls reach {metric.metric} {', '.join(reached)}; "
        f"{comparison.reference} {own}. Controls are not tested."
    ]


def of_speed(comparison: Comparison) -> list[str]:
    """Return which arms nothing beats in both speed and the first metric."""
    arms = [o for o in comparison.offers if o.arm in comparison.arms]
    free = [o.arm for o in arms if o.beaten_by is None or o.beaten_by in comparison.controls]
    if len(arms) < 2:
        return []
    return [
        f"By their means, no other arm is both faster and better in {comparison.offers_metric} "
        f"than {' or '.join(free)}. Speeds depend on what else the machine did."
    ]


def of_streams(comparison: Comparison) -> list[str]:
    """Return what the losses along the stream say."""
    found = []
    for d in comparison.streams:
        told = d.p_holm is not None and d.p_holm < 0.05
        found.append(
            f"Along this stream {d.arm} has a {d.loss} {number(abs(d.mean))} "
            f"{'lower' if d.mean < 0 else 'higher'} than {d.reference} "
            f"({'more than' if told else 'no more than'} chance by Diebold and Mariano's test, p: "
            f"{probability(d.p_holm if d.p_holm is not None else d.p)})."
        )
    return found
