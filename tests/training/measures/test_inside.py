"""What is kept of a job beside its figures: it must agree with state, figures and counters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from htmrun.backends.fixed_point import DUTY_ONE
from htmrun.components.sources import open_source
from htmrun.components.stages.permanences import histogram
from htmrun.config.compose import load
from htmrun.execution.jobs import Builder
from htmrun.training.records import Finished, Job
from htmrun.training.schedule import Schedule
from tests.helpers.experiments import DIGITS
from tests.helpers.pipelines import CELLS, COLUMNS, pipeline, stream, train

SEQUENCES = ("experiment=sequences", "data.steps=400", "curve_points=4")


def finished(*overrides: str, arm: str = "online") -> Finished:
    experiment = load(list(overrides)).experiment
    *_, last = Builder(experiment, open_source(experiment.data)).work(Job(arm, 0))(lambda: False)
    assert isinstance(last, Finished)
    return last


def test_permanences_are_counted_in_bins_of_a_fiftieth() -> None:
    values = np.array([[-1, 0, 199], [200, 9_999, 10_000]], np.int16)
    found = histogram(values)
    assert (found[0], found[1], found[49], found.sum()) == (2, 1, 2, 5)
    many = np.random.default_rng(0).integers(-1, 10_001, 100_000).astype(np.int16)
    expected = np.histogram(many[many >= 0], bins=50, range=(0, 10_000))[0]
    assert histogram(many).tolist() == expected.tolist()


def test_a_portrait_is_the_state_in_units() -> None:
    model = pipeline(horizons=(0,))
    train(model, stream(400), Schedule(1))
    before, state = model.state_hash(), model.state()
    found = model.describe(state, {"sp": np.full(COLUMNS, 0.5)})
    assert model.state_hash() == before
    assert found["sp/permanences"].sum() == (state["sp/permanences"] >= 0).sum()
    assert found["sp/duty"] == pytest.approx(state["sp/active_duty"] / DUTY_ONE, rel=1e-6)
    assert found["sp/boost"].tolist() == state["sp/boost"].tolist()
    assert found["sp/shape"].tolist() == [COLUMNS]
    cells = found["tm/segments_per_cell"]
    assert cells.sum() == COLUMNS * CELLS
    assert (cells * np.arange(len(cells))).sum() == len(state["tm/segment_cell"])
    assert found["tm/permanences"].sum() == len(state["tm/synapse_cell"])


def test_of_large_layers_only_the_histogram_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htmrun.components.stages.pooler.MOST_COLUMNS", COLUMNS - 1)
    model = pipeline(memory=False, horizons=(0,))
    assert list(model.describe(model.state(), {})) == ["sp/permanences"]


def test_a_job_keeps_churn_and_the_activity_of_its_columns() -> None:
    found = finished(*DIGITS, "evaluate_every=400")
    series = found.series
    assert series["churn/sample"].tolist() == [400.0, 800.0, 1200.0]
    assert series["churn/share"].mean() == pytest.approx(found.metrics["churn"])
    assert series["sp/activity"].mean() == pytest.approx(found.metrics["sp/sparsity"], rel=1e-5)
    assert np.quantile(series["sp/boost"], 0.95) == pytest.approx(found.metrics["sp/boost_p95"])
    assert not [name for name in series if name.startswith("loss/")]


def test_a_memory_s_growth_ends_at_what_it_has() -> None:
    found = finished(*SEQUENCES)
    segments = found.series["tm/growth/segments"]
    assert found.series["tm/growth/sample"].tolist() == [100.0, 200.0, 300.0, 400.0]
    assert segments[-1] == found.metrics["tm/segments"]
    assert (np.diff(segments) >= 0).all()
    wrong = found.series["loss/1"]
    assert len(wrong) == 400
    assert 1 - np.nanmean(wrong) == pytest.approx(found.metrics["prequential/accuracy"])


@pytest.mark.parametrize("arm", ["online", "persistence", "seasonal"])
def test_losses_of_a_stream_come_to_its_error(arm: str, tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    values = 10 + 5 * np.sin(np.arange(300) / 5)
    lines = [f"2024-01-{1 + i // 24:02d} {i % 24:02d}:00,{v:.3f}" for i, v in enumerate(values)]
    path.write_text("when,value\n" + "\n".join(lines[:300]) + "\n", encoding="utf-8")
    found = finished(
        "experiment=stream", f"data.path={path}", "data.value=value", "data.timestamp=when",
        "classifier.horizons=[1,5]", "sp.columns=256", arm=arm,
    )  # fmt: skip
    for horizon in (1, 5):
        losses = found.series[f"loss/{horizon}"]
        assert len(losses) == 300
        error = float(np.sqrt(np.nanmean(losses.astype(np.float64))))
        assert error == pytest.approx(found.metrics[f"rmse_{horizon}"], rel=1e-5)


def test_losses_of_very_long_streams_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htmrun.training.measures.prequential.MOST_LOSSES", 399)
    assert not [name for name in finished(*SEQUENCES).series if name.startswith("loss/")]
