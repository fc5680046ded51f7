"""The picture of the learning curves: what is drawn, checked on the figure's own data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from htmrun.tracking.plots import COLOURS, _legend, looks_of, plot_curves

CURVES = {
    "samples_per_s": {"online": {0: [(1, 10.0), (2, 20.0)]}, "b": {0: [(1, 5.0), (2, 6.0)]}},
    "recent/accuracy": {"online": {0: [(1, 0.1), (2, 0.2)]}},
    "accuracy": {
        "online": {0: [(10, 0.2), (20, 0.4)], 1: [(10, 0.4), (20, 0.8)]},
        "b": {0: [(10, 0.1), (20, 0.3)], 1: [(20, 0.5), (30, 0.7)]},
    },
    "once": {"online": {0: [(20, 1.0)]}},
}


@pytest.fixture
def figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Figure:
    """The figure that is saved for CURVES."""
    saved: list[Figure] = []
    real = Figure.savefig

    def keep(self: Figure, *args: object, **settings: object) -> None:
        saved.append(self)
        real(self, *args, **settings)

    monkeypatch.setattr(Figure, "savefig", keep)
    plot_curves(CURVES, tmp_path / "curves.png", "digits")
    assert (tmp_path / "curves.png").stat().st_size > 5000
    return saved[0]


def test_a_panel_for_each_curve_with_labels(figure: Figure) -> None:
    labels = [(a.get_xlabel(), a.get_ylabel()) for a in figure.axes if a.get_visible()]
    assert labels == [
        ("training samples", "accuracy (share correct)"),
        ("training samples", "recent/accuracy (share correct)"),
        ("training samples", "training samples per second"),
    ]


def test_lines_are_means_and_bands_reach_from_lowest_to_highest(figure: Figure) -> None:
    panel = figure.axes[0]
    online, other = panel.get_lines()
    np.testing.assert_allclose(online.get_ydata(), [0.3, 0.6])
    # Only sample 20 is common to both seeds of b.
    np.testing.assert_allclose(other.get_xdata(), [20])
    np.testing.assert_allclose(other.get_ydata(), [0.4])
    heights = panel.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0.2, 0.8)


def test_arms_keep_their_colour_and_stand_in_the_legend(figure: Figure) -> None:
    for panel in figure.axes[0], figure.axes[2]:
        assert [line.get_color() for line in panel.get_lines()] == list(COLOURS[:2])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["online", "b"]
    assert "lowest to highest" in figure.get_suptitle()


def test_nothing_is_drawn_without_a_curve(tmp_path: Path) -> None:
    plot_curves({"accuracy": {"online": {0: [(1, 1.0)]}}}, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_a_legend_of_long_names_is_not_cut() -> None:
    figure = Figure(figsize=(5.4, 4.5), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    figure.subplots()
    arms = ["online", "minibatch_1000_epoch_boost", "annealed_growing", "untrained_too"]
    _legend(figure, looks_of(arms))
    canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
