"""What of a stream is scored: values that came, in the first pass, wherever their zero lies."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htmrun.components.sources import open_source
from htmrun.config.compose import load
from htmrun.execution.jobs import Builder
from htmrun.training.measures.registry import timed
from htmrun.training.records import Finished, Job, Progress
from tests.helpers.experiments import HERE, stream, train, write_series

HOURS = [str(datetime(2024, 1, 1) + timedelta(hours=h)) for h in range(240)]
LOAD = [round(20 * math.sin(h / 24 * 2 * math.pi) + h % 5) for h in range(240)]
SMALL = ("sp.density=0.1", "seeds=[2]", "curve_points=4", *HERE)


def figures(found: dict[str, Any], arm: str) -> dict[str, float]:
    return {
        name: value["values"][0] for name, value in found["arms"][arm].items() if not timed(name)
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_series(tmp_path / "load.csv", LOAD, ("when", HOURS))


def test_a_second_pass_leaves_the_figures_of_the_first_as_they_are(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    once, _ = train(capsys, *stream(path, *SMALL))
    twice, _ = train(capsys, *stream(path, *SMALL, "epochs=2"))
    for arm in ("online", "minibatch", "persistence"):
        first, both = figures(once, arm), figures(twice, arm)
        names = [n for n in first if n.partition("_")[0].split("/")[-1] in ("rmse", "mae", "nll")]
        names += [n for n in first if n.startswith(("tail/", "scored", "nrmse", "mape"))]
        assert names
        assert {n: both[n] for n in names} == {n: first[n] for n in names}
    learned = figures(twice, "online")
    assert learned["last_pass/rmse_1"] != learned["rmse_1"]
    # The second pass has no first sample less: it begins with a reset, too.
    assert learned["last_pass/scored_1"] == learned["scored_1"] == 239
    assert not any(name.startswith("last_pass/") for name in figures(twice, "persistence"))


def test_series_and_curves_of_later_passes_stand_apart(path: Path) -> None:
    loaded = load([*stream(path, *SMALL, "epochs=3"), "curve_points=4"])
    experiment = loaded.experiment
    builder = Builder(experiment, open_source(experiment.data))
    *told, last = builder.work(Job("online", 2))(lambda: False)
    assert isinstance(last, Finished)
    assert len(last.series["loss/1"]) == len(last.series["anomaly/likelihood"]) == 240
    for point in (p for p in told if isinstance(p, Progress)):
        stretch = "recent/" if point.sample <= 240 else "later/"
        assert {name.split("/")[0] + "/" for name in point.metrics if "rmse" in name} == {stretch}
    assert 240 in [p.sample for p in told if isinstance(p, Progress)]
    shown = [p.sample for p in told if isinstance(p, Progress) and "recent/rmse_1" in p.metrics]
    *control, _ = builder.work(Job("persistence", 2, control=True))(lambda: False)
    assert shown == [p.sample for p in control if isinstance(p, Progress)]


def test_filled_values_are_scored_and_learned_by_no_arm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = [h % 3 == 1 and h > 4 for h in range(240)]
    holes = ["" if g else v for g, v in zip(gone, LOAD, strict=True)]
    given = write_series(tmp_path / "holes.csv", holes, ("when", HOURS))  # type: ignore[arg-type]
    found, _ = train(capsys, *stream(given, *SMALL, "data.missing=previous"))
    here = [h for h in range(1, 240) if not gone[h]]
    filled = [next(LOAD[g] for g in range(h, -1, -1) if not gone[g]) for h in range(240)]
    naive = math.sqrt(np.mean([(LOAD[h] - filled[h - 1]) ** 2 for h in here]))
    assert figures(found, "persistence")["rmse_1"] == pytest.approx(naive)
    for arm in ("online", "minibatch", "persistence"):
        assert figures(found, arm)["scored_1"] == len(here)
        assert figures(found, arm)["scored_5"] == len([h for h in here if h >= 5])
    loaded = load(stream(given, *SMALL, "data.missing=previous"))
    builder = Builder(loaded.experiment, open_source(loaded.experiment.data))
    pipeline = builder.pipeline(loaded.experiment.arm["online"], 2)
    (chunk,) = builder.source.train(2, 0, 240)
    assert (pipeline.classes_of(chunk.target) < 0).tolist() == gone
    assert chunk.fields["value"].tolist() == filled


def test_a_shift_of_1e9_changes_no_figure_but_mape(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for shift in (0, 10**9):
        values = [v + shift for v in LOAD]
        given = write_series(tmp_path / f"by{shift}.csv", values, ("when", HOURS))
        found.append(train(capsys, *stream(given, *SMALL))[0])
    for arm in ("online", "minibatch", "persistence"):
        near, far = (figures(one, arm) for one in found)
        # Not the hash: the ends of the buckets are part of the state.
        for name, value in near.items():
            if "mape" not in name and "bucket_m" not in name and isinstance(value, float):
                # Near 1e9 a float64 has steps of 1.2e-7: the ends of buckets are as fine as that.
                assert far[name] == pytest.approx(value, rel=1e-8), name
    assert any("so far from 0" in note for note in found[1]["notes"])


def test_horizons_in_time_score_the_same_in_pieces_of_any_size(tmp_path: Path) -> None:
    kept = [h for h in range(240) if h % 11 != 3]
    given = write_series(
        tmp_path / "gaps.csv", [LOAD[h] for h in kept], ("when", [HOURS[h] for h in kept])
    )
    scored = []
    for points in (3, 60):
        loaded = load([*stream(given, *SMALL, "data.horizon_unit=time"), f"curve_points={points}"])
        builder = Builder(loaded.experiment, open_source(loaded.experiment.data))
        for job in (Job("online", 2), Job("persistence", 2, control=True)):
            *_, last = builder.work(job)(lambda: False)
            assert isinstance(last, Finished)
            scored += [(last.metrics["scored_1"], last.metrics["scored_5"])]
    by = set(kept)
    one = sum(h - 1 in by for h in kept)
    five = sum(all(h - back in by for back in range(6)) for h in kept)
    assert scored == [(one, five)] * 4


def test_two_hundred_days_run_with_the_settings_as_they_come(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = [str((datetime(2024, 1, 1) + timedelta(days=d)).date()) for d in range(30)]
    given = write_series(tmp_path / "days.csv", LOAD[:30], ("day", days))
    sized = ("sp.columns=64", "tm.cells_per_column=4", "arms=[online,persistence,seasonal]")
    found, _ = train(capsys, "experiment=stream", f"data.path={given}", *sized, *SMALL)
    week = math.sqrt(np.mean([(LOAD[d] - LOAD[d - 7]) ** 2 for d in range(7, 30)]))
    assert figures(found, "seasonal")["rmse_1"] == pytest.approx(week)
    assert any("seasonal 23" in note for note in found["notes"])
    short = write_series(tmp_path / "short.csv", LOAD[:6], ("day", days[:6]))
    found, said = train(capsys, "experiment=stream", f"data.path={short}", *sized, *SMALL)
    assert "rmse_1" not in found["arms"]["seasonal"]
    assert any(note.startswith("control.seasonal: left out") for note in found["notes"])
    assert "control.seasonal: left out" in said
