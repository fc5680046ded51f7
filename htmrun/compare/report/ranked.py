"""Demsar's critical-difference plot: mean ranks on a line, bars over what is not told apart."""

from __future__ import annotations

from htmrun.compare.ranks import Ranking
from htmrun.compare.report.blocks import SCHEMA, Chart, Row, Spec, short


def critical_difference(ranking: Ranking) -> Chart:
    """Return the plot of a ranking; the bar at the top is as long as the critical difference."""
    ranks = dict(zip(ranking.arms, ranking.ranks, strict=True))
    ordered = sorted(ranks, key=lambda arm: ranks[arm])
    points: list[Row] = [{"arm": arm, "rank": short(ranks[arm])} for arm in ordered]
    bars: list[Row] = [
        {"arm": arm, "from": short(ranks[group[0]]), "to": short(ranks[group[-1]])}
        for group in ranking.groups
        for arm in group
    ]
    length = f"critical difference {ranking.critical:.2f}"
    scale = {"domain": [1, max(len(ordered), 1 + ranking.critical)], "nice": False}
    x = {"type": "quantitative", "title": "mean rank (1 is best)", "scale": scale}
    y = {"field": "arm", "type": "nominal", "title": None, "sort": [length, *ordered]}
    layers: list[Spec] = [
        {
            "data": {"values": [{"arm": length, "from": 1, "to": short(1 + ranking.critical)}]},
            "mark": {"type": "rule", "strokeWidth": 3},
            "encoding": {"x": {"field": "from", **x}, "x2": {"field": "to"}, "y": y},
        },
        {
            "data": {"values": bars},
            "mark": {"type": "rule", "strokeWidth": 8, "opacity": 0.35},
            "encoding": {"x": {"field": "from", **x}, "x2": {"field": "to"}, "y": y},
        },
        {
            "data": {"values": points},
            "mark": {"type": "point", "filled": True, "size": 110},
            "encoding": {
                "x": {"field": "rank", **x},
                "y": y,
                "tooltip": [{"field": "arm"}, {"field": "rank"}],
            },
        },
    ]
    spec = {
        "$schema": SCHEMA,
        "width": "container",
        "height": 40 + 34 * (len(ordered) + 1),
        "layer": layers,
    }
    return Chart(
        "critical-difference",
        "Mean ranks and the critical difference",
        "Grey bars: from the best to the worst arm of a group that Nemenyi's test does not tell "
        "apart at 5 %, drawn at each arm of the group.",
        spec,
    )
