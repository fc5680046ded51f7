"""The table and the picture of tasks: what is written and drawn, by what is in them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from htmrun.tracking.task_plots import kept, plot_tasks, write
from htmrun.training.measures.tasks import AROUND, MATRIX, OFFSET

R = np.array([[0.1, 0.2], [0.996, 0.25], [0.5, 0.75]])
SERIES = {
    MATRIX: R, AROUND: np.array([1.0, 0.5]), OFFSET: np.array([-20.0, 0.0]),
    "sp/activity": np.zeros(4),
}  # fmt: skip


def test_the_table_has_a_line_for_each_task_learned(tmp_path: Path) -> None:
    path = write(SERIES, tmp_path)
    assert path is not None
    assert path.name == "tasks.csv"
    rows = list(csv.reader(path.read_text().splitlines()))
    assert rows[0] == ["after task", "task 1", "task 2"]
    assert [row[0] for row in rows[1:]] == ["0", "1", "2"]
    np.testing.assert_array_equal(np.array([row[1:] for row in rows[1:]], float), R)
    assert write({"sp/activity": R}, tmp_path) is None


def test_the_picture_has_means_over_seeds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    saved: list[Figure] = []
    real = Figure.savefig

    def keep(self: Figure, *args: object, **settings: object) -> None:
        saved.append(self)
        real(self, *args, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", keep)
    few = kept(SERIES)
    assert set(few) == {MATRIX, AROUND, OFFSET}
    other = {**few, MATRIX: R / 2, AROUND: np.array([0.5, 0.5])}
    plot_tasks({"online": [few, other], "network": [few], "no": [{}]}, tmp_path / "t.png", "title")
    (figure,) = saved
    matrices = {axis.get_title(): axis for axis in figure.axes if axis.get_title()}
    assert set(matrices) == {"online", "network"}
    np.testing.assert_allclose(matrices["online"].images[0].get_array(), 0.75 * R)
    written = [text.get_text() for text in matrices["network"].texts]
    assert written == [".10", ".20", "1", ".25", ".50", ".75"]
    around = next(axis for axis in figure.axes if axis.lines)
    np.testing.assert_allclose(around.lines[0].get_ydata(), [0.75, 0.5])
    assert (tmp_path / "t.png").stat().st_size > 1000


def test_nothing_is_drawn_without_tasks(tmp_path: Path) -> None:
    plot_tasks({"online": [kept({"sp/activity": R})]}, tmp_path / "t.png")
    assert not (tmp_path / "t.png").exists()
