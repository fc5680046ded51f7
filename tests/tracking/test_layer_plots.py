"""The picture of networks: what is drawn, checked on the figure's own data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from htmrun.tracking.layer_plots import kept, plot_layers

CURVE = np.linspace(1.0, 0.5, 11)
SERIES = {
    "noise_score_curve": CURVE,
    "net.a/activity": np.array([0.5, 0.5, 0.0, 1.0]),
    "net.b/activity": np.array([0.25, 0.25]),
    "net.a/fields": np.ones((3, 5, 5)),
    "sp/activity": np.array([0.1]),
    "curve/accuracy": np.array([0.1]),
}


def drawn(
    monkeypatch: pytest.MonkeyPatch, path: Path, arms: dict[str, list[dict[str, np.ndarray]]]
) -> Figure:
    saved: list[Figure] = []
    real = Figure.savefig

    def keep(self: Figure, *args: object, **settings: object) -> None:
        saved.append(self)
        real(self, *args, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", keep)
    plot_layers(arms, path, "title")
    (figure,) = saved
    return figure


def test_curves_entropy_and_fields(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    few = kept(SERIES)
    assert set(few) == {"noise_score_curve", "net.a/activity", "net.b/activity", "net.a/fields"}
    other = {**few, "noise_score_curve": CURVE - 0.2}
    arms = {"sparse": [few, other], "dense": [{"noise_score_curve": CURVE}]}
    figure = drawn(monkeypatch, tmp_path / "n.png", arms)
    noise, entropy, activity, fields = figure.axes
    np.testing.assert_allclose(noise.lines[0].get_ydata(), CURVE - 0.1)
    assert [line.get_label() for line in noise.lines] == ["sparse", "dense"]
    quarter = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75))
    np.testing.assert_allclose(entropy.lines[0].get_ydata(), [0.5, quarter])
    values = activity.patches[0].get_data().values  # type: ignore[attr-defined]
    assert values.sum() == pytest.approx(1)
    assert fields.get_title() == "sparse: net.a"
    assert (tmp_path / "n.png").stat().st_size > 1000


def test_nothing_is_drawn_without_networks(tmp_path: Path) -> None:
    plot_layers({"online": [kept({"sp/activity": CURVE})]}, tmp_path / "n.png")
    assert not (tmp_path / "n.png").exists()
