"""One look for every chart: colours that colour-blind readers tell apart, on light and on dark."""

from __future__ import annotations

from typing import Any

from htmrun.tracking.plots import COLOURS

# The same hues, lighter; the last colour differs with the paper.
_ON_DARK = ("#4DA3DB", "#F0803C", "#2BC49A", "#E29BC4", "#8CCBF2", "#F2B84B")
# Perceptually even, and the same to readers who do not see red and green.
HEAT = "cividis"
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"


def colours(dark: bool) -> list[str]:
    """Return the colours of arms in their order, on dark or light paper."""
    return [*_ON_DARK, "#d0d0d0"] if dark else [*COLOURS[:-1], "#555555"]


def config(dark: bool) -> dict[str, Any]:
    """Return Vega-Lite's configuration for dark or light paper."""
    ink, faint, grid = ("#d8dce2", "#9aa3af", "#2f3640") if dark else ("#222", "#666", "#e5e5e5")
    return {
        "background": "transparent" if dark else "white",
        "font": FONT,
        "axis": {
            "labelColor": faint,
            "titleColor": ink,
            "gridColor": grid,
            "domainColor": faint,
            "tickColor": faint,
            "titleFontWeight": "normal",
            "labelFontSize": 11,
            "titleFontSize": 12,
            "labelLimit": 220,
            "labelOverlap": "greedy",
            "labelSeparation": 10,
        },
        "legend": {
            "labelColor": ink,
            "titleColor": ink,
            "orient": "bottom",
            "title": None,
            "labelFontSize": 12,
            "symbolStrokeWidth": 2.5,
            "symbolOpacity": 1,
            "labelLimit": 260,
        },
        "header": {"labelColor": ink, "titleColor": ink},
        "title": {"color": ink, "fontWeight": "normal", "anchor": "start"},
        "view": {"stroke": None},
        "range": {"category": colours(dark)},
        "rule": {"color": faint},
        "line": {"strokeWidth": 2},
        "style": {
            "value": {"color": ink, "stroke": ink, "strokeWidth": 1.3},
            "reach": {"color": faint, "fill": faint, "stroke": faint, "strokeWidth": 0.8},
        },
    }
