"""The comparison as plain tables of words: what Markdown, LaTeX and the report are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from htmrun.compare.comparison import Comparison, MetricComparison
from htmrun.compare.numbers import mean_and_half, number, probability
from htmrun.compare.overranks import OverRanks
from htmrun.compare.pareto import Offer
from htmrun.compare.statistics import PairedDifference
from htmrun.compare.streams import StreamDifference
from htmrun.training.measures.measure import RATE

NONE = "-"


@dataclass(frozen=True)
class Words:
    """A table: the first `texts` columns are text, the others figures."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int = 1


def tables(comparison: Comparison) -> list[Words]:
    """Return means, differences, ranks, speed against quality and streams; empty ones left out."""
    every = [
        means(comparison),
        differences(comparison),
        ranks(comparison),
        offers(comparison.offers, comparison.offers_metric),
        streams(comparison.streams),
    ]
    return [table for table in every if table.rows]


def means(comparison: Comparison) -> Words:
    """Return metrics by arm, controls on the right."""
    arms = (*comparison.arms, *comparison.controls)
    heads = (f"{a} (control)" if a in comparison.controls else a for a in arms)
    return Words(
        "means",
        ("metric", *heads),
        tuple(mean_row(metric, arms) for metric in comparison.metrics),
    )


def mean_row(metric: MetricComparison, arms: Sequence[str]) -> tuple[str, ...]:
    """Return a metric's name and each arm's mean."""
    cells = [metric.metric]
    for arm in arms:
        found = metric.arms.get(arm)
        cells.append(NONE if found is None else mean_and_half(found, metric.metric))
    return tuple(cells)


def differences(comparison: Comparison) -> Words:
    """Return every paired difference; what none of them has has no column."""
    pairs = [(m.metric, d) for m in comparison.metrics for d in compared(comparison, m)]
    rows = [difference_row(metric, d) for metric, d in pairs]
    tested = any(d.p is not None for _, d in pairs)
    corrected = tested and any(d.family > 1 for _, d in pairs)
    kept = [
        place
        for place, heading in enumerate(_HEADINGS)
        if corrected or "(Holm)" not in heading
        if tested or heading != "p"
    ]
    return Words(
        "paired differences",
        tuple(_HEADINGS[place] for place in kept),
        tuple(tuple(row[place] for place in kept) for row in rows),
        2,
    )


_HEADINGS = ("metric", "difference", "mean", "95 % interval", "p", "interval (Holm)", "p (Holm)",
             "d_z")  # fmt: skip


def compared(comparison: Comparison, metric: MetricComparison) -> list[PairedDifference]:
    """Return a metric's differences: against the reference, then what the answer is made of."""
    verdict = comparison.verdict
    if verdict is None or verdict.metric != metric.metric:
        return list(metric.differences)
    known = {frozenset((d.arm, d.reference)) for d in metric.differences}
    others = [d for d in verdict.others if frozenset((d.arm, d.reference)) not in known]
    return [*metric.differences, *others, *verdict.controls]


def difference_row(metric: str, d: PairedDifference) -> tuple[str, ...]:
    """Return one paired difference in words."""
    return (
        metric,
        f"{d.arm} - {d.reference}",
        signed(d.mean, metric),
        span(d.low, d.high, metric),
        NONE if d.p is None else probability(d.p),
        span(d.low_holm, d.high_holm, metric),
        NONE if d.p_holm is None else probability(d.p_holm),
        NONE if d.effect is None else f"{d.effect:.2f}",
    )


def signed(value: float, metric: str = "") -> str:
    """Return the number with its sign."""
    return f"{'+' if value > 0 else ''}{number(value, metric)}"


def span(low: float | None, high: float | None, metric: str = "") -> str:
    """Return ``"0.1 to 0.2"``."""
    return (
        NONE if low is None or high is None else f"{number(low, metric)} to {number(high, metric)}"
    )


def ranks(comparison: Comparison) -> Words:
    """Return mean ranks over seeds and Friedman's test of each metric that has one."""
    ranked = [(m.metric, m.friedman) for m in comparison.metrics if m.friedman is not None]
    return Words(
        "mean ranks over seeds (1 is best)",
        ("metric", *comparison.arms, "Friedman's chi2", "p"),
        tuple(
            (
                metric,
                *(
                    f"{dict(zip(r.arms, r.ranks, strict=True))[arm]:.2f}" if arm in r.arms else NONE
                    for arm in comparison.arms
                ),
                f"{r.chi2:.2f}",
                probability(r.p),
            )
            for metric, r in ranked
        ),
    )


def offers(found: Sequence[Offer], metric: str) -> Words:
    """Return quality against speed, the fastest first."""
    return Words(
        "speed and quality",
        ("arm", "samples/s", metric, "beaten in both by"),
        tuple(
            (
                o.arm,
                number(o.speed, RATE),
                number(o.quality, metric),
                ", ".join(o.beaten_by) or NONE,
            )
            for o in found
        ),
    )


def streams(found: Sequence[StreamDifference]) -> Words:
    """Return the losses along the stream against the reference's."""
    return Words(
        "losses along the stream (Diebold and Mariano)",
        ("loss", "difference", "mean", "95 % interval", "samples", "statistic", "p", "p (Holm)"),
        tuple(
            (
                d.loss,
                f"{d.arm} - {d.reference}",
                signed(d.mean),
                span(d.low, d.high),
                str(d.samples),
                f"{d.statistic:.2f}",
                probability(d.p),
                NONE if d.p_holm is None else probability(d.p_holm),
            )
            for d in found
        ),
        2,
    )


def rank_tables(found: OverRanks) -> list[Words]:
    """Return the mean ranks, and each data set's means."""
    ordered = sorted(zip(found.ranking.ranks, found.ranking.arms, strict=True))
    arms = tuple(arm for _, arm in ordered)
    return [
        Words(
            "mean ranks over data sets (1 is best)",
            ("arm", "mean rank"),
            tuple((arm, f"{rank:.2f}") for rank, arm in ordered),
        ),
        Words(
            "data sets",
            ("run", "metric", *arms),
            tuple(
                (s.run, s.metric, *(number(s.means[arm], s.metric) for arm in arms))
                for s in found.sets
            ),
            2,
        ),
    ]
