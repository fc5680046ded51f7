"""One job's records where streams, windows and curves do not fit each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from htmrun.components.sources import open_source
from htmrun.config.compose import load
from htmrun.errors import StopRequestedError, UserError
from htmrun.execution.jobs import Builder
from htmrun.training.measures.registry import timed
from htmrun.training.records import Finished, Job, Progress, Started
from tests.helpers.experiments import DIGITS, stream, train, write_series

SAMPLES = 300
VALUES = [round(float(v), 3) for v in 10 + 5 * np.sin(np.arange(SAMPLES) / 5)]


@pytest.fixture
def series(tmp_path: Path) -> Path:
    return write_series(tmp_path / "load.csv", VALUES)


def builder(*overrides: str) -> Builder:
    experiment = load(list(overrides)).experiment
    return Builder(experiment, open_source(experiment.data))


def run(*overrides: str, arm: str = "online") -> tuple[list[Progress], Finished]:
    """Return the points of the curves, and the end."""
    started, *points, finished = builder(*overrides).work(Job(arm, 0))(lambda: False)
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    assert all(isinstance(point, Progress) for point in points)
    assert started.samples == finished.metrics["samples"]
    return points, finished  # type: ignore[return-value]


def same(first: Finished, second: Finished) -> bool:
    metrics = [{n: v for n, v in f.metrics.items() if not timed(n)} for f in (first, second)]
    return metrics[0] == metrics[1] and first.state_hash == second.state_hash


def test_evaluations_need_not_fit_the_epoch_or_the_curve() -> None:
    points, finished = run(*DIGITS, "evaluate_every=500", "curve_points=3")
    assert [p.sample for p in points] == [479, 500, 958, 1000, 1438]
    assert [p.sample for p in points if "accuracy" in p.metrics] == [500, 1000]
    assert "accuracy" in finished.metrics
    assert 0 <= finished.metrics["churn_to_wrong"] <= finished.metrics["churn"] <= 1
    seldom = run(*DIGITS, "evaluate_every=5000", "curve_points=1")[1]
    assert "churn" not in seldom.metrics
    assert seldom.state_hash == finished.state_hash


def test_series_fit_their_samples() -> None:
    points, finished = run(*DIGITS, "evaluate_every=500", "curve_points=3")
    curves = {n: a for n, a in finished.series.items() if n.startswith("curve/")}
    samples = curves.pop("curve/sample")
    assert samples.tolist() == [p.sample for p in points]
    for name, values in curves.items():
        found = [p.metrics.get(name.removeprefix("curve/"), np.nan) for p in points]
        np.testing.assert_array_equal(values, found)
    assert np.isnan(curves["curve/accuracy"]).tolist() == [True, False, True, False, True]


def test_the_number_of_curve_points_changes_no_result(series: Path) -> None:
    few, many = (run(*stream(series, f"curve_points={n}")) for n in (1, 10_000))
    assert [p.sample for p in few[0]] == [SAMPLES]
    assert [p.sample for p in many[0]] == list(range(1, SAMPLES + 1))
    assert same(few[1], many[1])


def test_a_window_larger_than_the_stream_commits_once(series: Path) -> None:
    sizes = (300, 301, 1000)
    ends = [
        run(*stream(series, f"arm.minibatch.learn_every={n}"), arm="minibatch")[1] for n in sizes
    ]
    assert [end.metrics["commits"] for end in ends] == [1, 1, 1]
    assert same(ends[0], ends[1])
    assert same(ends[1], ends[2])
    half = run(*stream(series, "arm.minibatch.learn_every=299"), arm="minibatch")[1]
    assert half.metrics["commits"] == 2
    assert not same(half, ends[0])


@pytest.mark.parametrize(
    ("overrides", "commits"),
    [
        # 70 samples make windows of 50 and 20, four times; then 20 are left.
        (["epoch_length=70"], 9),
        (["epoch_length=300"], 6),
        (["epoch_length=7000"], 6),
        # Windows of 1, 2, 4, 8 and 5 in the first epoch of 20; then one window an epoch.
        (["epoch_length=20", "arm.minibatch.learn_every={start: 1, factor: 2, limit: 64}"], 19),
        (["epochs=2", "epoch_length=70"], 18),
    ],
)
def test_partial_windows_commit_where_an_epoch_ends(
    overrides: list[str], commits: int, series: Path
) -> None:
    given = ["arm.minibatch.learn_every=50", *overrides]
    assert run(*stream(series, *given), arm="minibatch")[1].metrics["commits"] == commits


def test_the_length_of_an_epoch_decides_when_epoch_boost_boosts(series: Path) -> None:
    ends = {
        n: run(*stream(series, "sp.boost_strength=3.0", "arms=null", f"epoch_length={n}"),
               arm="epoch_boost")[1]
        for n in (1, 50, 300)
    }  # fmt: skip
    online = run(*stream(series, "sp.boost_strength=3.0"))[1]
    assert same(ends[1], online)
    assert len({end.state_hash for end in ends.values()}) == 3


def test_a_reset_column_keeps_sequences_apart(tmp_path: Path) -> None:
    path = write_series(tmp_path / "every.csv", VALUES, ("new", [1] * SAMPLES))
    alone = run(*stream(path, "data.reset=new"))[1].metrics
    assert alone["tm/segments_created"] == 0
    assert not any("rmse" in name for name in alone)
    starts = [int(i % 30 == 0) for i in range(SAMPLES)]
    path = write_series(tmp_path / "some.csv", VALUES, ("new", starts))
    cut = run(*stream(path, "data.reset=new"))[1].metrics
    whole = run(*stream(path, "data.value=load"))[1].metrics
    assert cut["tm/segments_created"] > 0
    assert cut["rmse_1"] != whole["rmse_1"]


def test_missing_values_may_be_left_out(tmp_path: Path) -> None:
    gaps = [float("nan") if i % 7 == 3 else v for i, v in enumerate(VALUES)]
    path = write_series(tmp_path / "gaps.csv", gaps)
    found = run(*stream(path, "data.missing=skip"))[1]
    path = write_series(tmp_path / "full.csv", [v for v in gaps if not np.isnan(v)])
    assert same(found, run(*stream(path))[1])
    assert found.metrics["samples"] == sum(not np.isnan(v) for v in gaps)


def test_one_sample_is_enough_where_its_range_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_series(tmp_path / "one.csv", [5.0])
    with pytest.raises(UserError, match=r"^encoder\.fields\.value\.resolution: .* 5 to 5"):
        builder(*stream(path)).prepare()
    given = ("classifier.minimum=0", "classifier.maximum=9", "encoder.fields.value.resolution=1")
    summary, _ = train(capsys, *stream(path, *given), "tracking=none", "workers=1")
    for metrics in summary["arms"].values():
        assert metrics["samples"]["values"] == [1.0]
        assert "rmse_1" not in metrics


def test_horizons_beyond_the_end_leave_no_figures(series: Path) -> None:
    finished = run(*stream(series, "classifier.horizons=[400]"))[1]
    assert not any("rmse" in name for name in finished.metrics)


def test_the_order_of_horizons_does_not_matter(
    series: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = [
        train(capsys, *stream(series, f"classifier.horizons={h}"), "tracking=none", "workers=1")[0]
        for h in ("[1,5]", "[5,1]")
    ]
    for arm, found in metrics[0]["arms"].items():
        assert metrics[1]["arms"][arm]["mape_5"] == found["mape_5"]
        assert metrics[1]["arms"][arm]["rmse_1"] == found["rmse_1"]


def test_it_stops_between_pieces_when_asked(series: Path) -> None:
    asked = iter([False, False, True])
    seen = []
    with pytest.raises(StopRequestedError):
        seen.extend(
            builder(*stream(series, "curve_points=10")).work(Job("online", 0))(lambda: next(asked))
        )
    with pytest.raises(StopIteration):
        next(asked)


def test_samples_until_the_target_are_where_the_curve_first_reached_it() -> None:
    points, finished = run(*DIGITS, "curve_points=20", "target=0.5")
    accuracy = {p.sample: p.metrics["recent/accuracy"] for p in points}
    reached = finished.metrics["samples_to_target"]
    assert accuracy[int(reached)] >= 0.5
    assert all(value < 0.5 for sample, value in accuracy.items() if sample < reached)
    assert "samples_to_target" not in run(*DIGITS, "target=1.5")[1].metrics
    assert "samples_to_target" not in run(*DIGITS)[1].metrics


def test_a_forecast_comes_down_to_its_target(series: Path) -> None:
    points, _ = run(*stream(series), "curve_points=10")
    errors = [(p.sample, p.metrics["recent/rmse_1"]) for p in points]
    target = min(e for _, e in errors)
    finished = run(*stream(series), "curve_points=10", f"target={target}")[1]
    first = next(s for s, e in errors if e <= target)
    assert finished.metrics["samples_to_target"] == first
    assert first > errors[0][0]
