"""Pictures of episodes: which frame lies where, and returns worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from htmrun.tracking.episode_plots import RETURN, kept, plot_returns, smoothed, write

BEST, WORST = ([np.full((8, 12, 3), 10 * n + o, np.uint8) for n in range(3)] for o in (100, 200))
SERIES = {
    RETURN: np.array([2.0, 1.0]),
    "episode/best": np.zeros((6, 2)), "episode/worst": np.zeros((4, 2)),
    "episode/best_frames": np.stack(BEST), "episode/worst_frames": np.stack(WORST[:2]),
}  # fmt: skip


def test_the_strip_has_the_best_above_the_worst(tmp_path: Path) -> None:
    path = write(SERIES, tmp_path)
    assert path is not None
    assert path.name == "episodes.png"
    pixels = np.asarray(Image.open(path))
    assert pixels.shape == (2 * (8 + 16 + 4), 3 * (12 + 4) + 4, 3)
    for top, values in ((16, (100, 110, 120)), (44, (200, 210, 120))):  # No third: the ground.
        for place, value in enumerate(values):
            left = 4 + 16 * place
            assert (pixels[top : top + 8, left : left + 12] == value).all()
    assert write({"sp/activity": np.zeros(3)}, tmp_path) is None


def test_a_drawn_return_is_the_mean_of_ten_episodes() -> None:
    found = smoothed(np.arange(12.0))
    assert [number for number, _ in found] == list(range(1, 13))
    # 0; 0 1; ...; the eleventh is the mean of 1 .. 10, the twelfth of 2 .. 11.
    assert [mean for _, mean in found] == pytest.approx([*(n / 2 for n in range(10)), 5.5, 6.5])


def test_the_picture_has_means_over_seeds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    saved: list[Figure] = []
    real = Figure.savefig

    def keep(self: Figure, *args: object, **settings: object) -> None:
        saved.append(self)
        real(self, *args, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", keep)
    assert set(kept(SERIES)) == {RETURN}
    seeds = [{RETURN: np.array([2.0, 4.0])}, {RETURN: np.array([4.0, 8.0, 9.0])}]
    plot_returns({"online": seeds, "none": [{}]}, tmp_path / "r.png", "title")
    (figure,) = saved
    [line] = figure.axes[0].lines
    assert line.get_label() == "online"
    np.testing.assert_allclose(line.get_xdata(), [1, 2])  # One seed has two episodes.
    np.testing.assert_allclose(line.get_ydata(), [3.0, 4.5])
    plot_returns({"none": [{}]}, tmp_path / "nothing.png")
    assert not (tmp_path / "nothing.png").exists()
