"""No forecast knows a later value: neither encoders nor buckets take their range from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from htmrun.cli import main
from htmrun.components.classifiers.buckets import Buckets, merged, summed
from htmrun.components.pipeline import Pipeline
from htmrun.components.sources.first_rows import FirstRows, rows_of
from htmrun.config.compose import load
from htmrun.execution.jobs import Builder
from htmrun.execution.opening import open_run
from htmrun.execution.playing import schedule_of
from htmrun.training.schedule import Cursor

ROWS, CHANGE = 600, 300
SMALL = (
    "experiment=stream", "sp.columns=64", "sp.density=0.1", "tracking=none", "arms=[minibatch]",
)  # fmt: skip
MEMORY = (
    "tm.cells_per_column=4", "tm.activation_threshold=3", "tm.matching_threshold=2",
    "tm.new_synapses=6", "classifier.buckets=12", "classifier.horizons=[1,3]",
)  # fmt: skip
WIND = "encoder.fields.wind={kind: %s, size: 60, active: 9}"
SCALAR = ("~encoder.fields.value", "encoder.fields.level={kind: scalar, field: value, size: 90, "
          "active: 9, periodic: %s}")  # fmt: skip
NETWORK = ("pipeline=[encoder,sp,network]", "network.horizons=[1]", "network.buckets=9",
           "network.layers={hidden: {kind: linear, units: 8}}", "~control.persistence",
           "~control.seasonal")  # fmt: skip
PIPELINES: dict[str, tuple[str, ...]] = {
    "rdse": (),
    "scalar": (SCALAR[0], SCALAR[1] % "false"),
    "periodic": (SCALAR[0], SCALAR[1] % "true"),
    "two columns": ("data.values=[wind]", WIND % "scalar"),
    "two columns, rdse": ("data.values=[wind]", WIND % "rdse"),
    "median": ("classifier.estimate=median",),
    "mode": ("classifier.estimate=mode",),
    "half known": ("classifier.minimum=0",),
    "network": NETWORK,
    "cla": ("classifier=cla", "~classifier.learning_rate"),
    "knn": ("classifier=knn", "~classifier.learning_rate"),
    "mlp": ("classifier=mlp", "classifier.units=8"),
}


def write(path: Path, value: np.ndarray, wind: np.ndarray) -> Path:
    hours = np.datetime64("2024-01-01T00:00") + np.arange(len(value)).astype("timedelta64[h]")
    rows = [
        f"{h},{v!r},{w!r}" for h, v, w in zip(hours, value.tolist(), wind.tolist(), strict=True)
    ]
    path.write_text("\n".join(["when,value,wind", *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a series with a level that rises, and the same with all that comes after changed."""
    folder, random = tmp_path_factory.mktemp("series"), np.random.default_rng(1)
    t = np.arange(ROWS)
    value = np.round(10 + t / 20 + 3 * np.sin(t / 4) + random.normal(0, 0.3, ROWS), 2)
    wind = np.round(random.gamma(2, 2, ROWS), 1)
    changed, other = value.copy(), wind.copy()
    changed[CHANGE:] = 500 - 40 * value[CHANGE:]
    other[CHANGE:] *= -7
    return write(folder / "one.csv", value, wind), write(folder / "other.csv", changed, other)


def builder(path: Path, *fields: str) -> Builder:
    own = () if fields == NETWORK else MEMORY
    given = (*SMALL, *own, f"data.path={path}", "data.value=value", "data.timestamp=when", *fields)
    return open_run(load(list(given)).experiment).builder


def ready(of: Builder) -> Pipeline:
    return of.pipeline(of.experiment.arm["minibatch"], 0)


def forecasts(
    of: Builder, pipeline: Pipeline, piece: int = 1024, start: int = 0, stop: int = ROWS
) -> dict[int, np.ndarray]:
    """Return forecasts by horizon, each in the row that it is of; learns rows start..stop."""
    whole = next(iter(of.source.train(0, 0, ROWS)))
    ends = np.zeros(ROWS, np.uint8)
    plan, _ = schedule_of(of.experiment.arm["minibatch"]).plan(Cursor(), whole.reset, ends)
    made: dict[int, list[np.ndarray]] = {}
    for a in range(start, stop, piece):
        b = min(a + piece, stop)
        outcome = pipeline.run(whole.slice(a, b), plan.slice(a, b))
        for scores in outcome.scores:
            values = np.full(b - a, np.nan)
            kind = pipeline.readout.targets.estimate
            values[scores.valid] = scores.take(scores.valid).estimate(kind)
            made.setdefault(scores.horizon, []).append(values)
    return {h: np.concatenate(parts) for h, parts in made.items()}


@pytest.mark.parametrize("kind", PIPELINES)
def test_later_values_change_no_forecast(kind: str, series: tuple[Path, Path]) -> None:
    made = []
    for path in series:
        of = builder(path, *PIPELINES[kind])
        made.append(forecasts(of, ready(of)))
    for h, one in made[0].items():
        # What is forecast of rows CHANGE .. CHANGE + h - 1 was said before them, too.
        known = CHANGE + h
        assert np.isfinite(one[h:known]).all()
        assert np.array_equal(one[:known], made[1][h][:known], equal_nan=True)
        assert not np.array_equal(one[known:], made[1][h][known:]), "what came does count"


def test_the_range_of_the_file_is_such_a_look(series: tuple[Path, Path]) -> None:
    made = []
    for path in series:
        of = builder(path, "data.range=file")
        made.append(forecasts(of, ready(of))[1])
    assert not np.array_equal(made[0][1:CHANGE], made[1][1:CHANGE])


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_neither_cuts_nor_going_on_show_where_buckets_widen(
    device: str, series: tuple[Path, Path]
) -> None:
    of = builder(series[1], f"device={device}")
    whole = ready(of)
    expected = forecasts(of, whole)
    first = of.targets.buckets
    assert first is not None
    assert whole.readout.buckets is not None
    assert whole.readout.buckets.maximum - whole.readout.buckets.minimum > 8 * (
        first.maximum - first.minimum
    )
    pieces = ready(of)
    assert_same(forecasts(of, pieces, 7), expected)
    assert pieces.state_hash() == whole.state_hash()
    before, after = ready(of), ready(of)
    parts = [forecasts(of, before, 64, 0, 310)]
    after.load(before.state())
    parts.append(forecasts(of, after, 64, 310))
    assert_same({h: np.concatenate([p[h] for p in parts]) for h in expected}, expected)
    assert after.state_hash() == whole.state_hash()


def test_backends_agree_where_buckets_widen(series: tuple[Path, Path]) -> None:
    hashes = set()
    for device in ("cpu", "reference"):
        of = builder(series[1], f"device={device}")
        pipeline = ready(of)
        forecasts(of, pipeline)
        hashes.add(pipeline.state_hash())
    assert len(hashes) == 1


def test_forecasts_follow_a_level_that_leaves_the_first_range(tmp_path: Path) -> None:
    t = np.arange(ROWS)
    value = 10.0 * (t // 100) + t % 4
    path, error = write(tmp_path / "stairs.csv", value, value), {}
    for kind in ("first_rows", "file"):
        steps = ("sp.increment=0.05", "sp.decrement=0.008")
        of = builder(path, "classifier.buckets=64", f"data.range={kind}", *steps)
        made = forecasts(of, ready(of))[1]
        error[kind] = np.nanmean(np.abs(made - value))
        assert of.source.ranges["value"] == {"first_rows": (0.0, 3.0), "file": (0.0, 53.0)}[kind]
        assert np.nanmax(made) > 20
    assert error["first_rows"] < 1.1 * error["file"], "nothing is lost to the widening"


def assert_same(one: dict[int, np.ndarray], other: dict[int, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for h in one:
        assert np.array_equal(one[h], other[h], equal_nan=True), h


def test_doublings_by_hand() -> None:
    now, ups = Buckets(0.0, 4.0, 4, True, True).toward(17.0)
    assert (now.minimum, now.maximum, now.width, ups) == (0.0, 32.0, 8.0, [True, True, True])
    now, ups = Buckets(0.0, 4.0, 4, True, True).toward(-5.0)
    assert (now.minimum, now.maximum, ups) == (-12.0, 4.0, [False, False])
    for kept in (4.0, 0.0, np.nan):
        assert Buckets(0.0, 4.0, 4, True, True).toward(kept)[1] == []
    assert Buckets(0.0, 4.0, 4, False, True).toward(-5.0)[1] == []
    assert np.isfinite(Buckets(0.0, 4.0, 4, True, True).toward(1.7e308)[0].maximum)

    w = np.array([[1.0, 3.0, -2.0, 0.5], [0.0, 0.0, 0.0, 0.0]], np.float32)
    assert merged(w, True).tolist() == [[3.0, 0.5, -2.0, -2.0], [0.0] * 4]
    assert merged(w, False).tolist() == [[-2.0, -2.0, 3.0, 0.5], [0.0] * 4]
    assert summed(w, True).tolist() == [[4.0, -1.5, 0.0, 0.0], [0.0] * 4]
    odd = np.array([[1.0, 2.0, 3.0, 4.0, 5.0]], np.float32)
    # Down, the lowest of five is alone in its new bucket; up, the highest is.
    assert summed(odd, False).tolist() == [[0.0, 0.0, 1.0, 5.0, 9.0]]
    assert summed(odd, True).tolist() == [[3.0, 7.0, 5.0, 0.0, 0.0]]


def test_a_bucket_of_before_lies_in_the_one_that_it_becomes() -> None:
    for count in (2, 5, 12):
        for value, up in ((1.5, True), (-0.5, False)):
            old = Buckets(0.0, 1.0, count, True, True)
            new, ups = old.toward(value)
            assert ups == [up]
            each = np.eye(count, dtype=np.float32)
            assert summed(each, up).argmax(1).tolist() == new.index(old.centres).tolist()


def test_the_first_rows_are_a_tenth_at_most() -> None:
    assert [rows_of(1000, n) for n in (1, 2, 15, 480, 4390, 20_000)] == [1, 2, 2, 48, 439, 1000]
    values = np.array([5.0, 7.0, 6.0, 99.0, -3.0])
    first = FirstRows(("a", "b"), 3)
    for start in range(0, 5, 2):
        rows = values[start : start + 2]
        first.add({"a": rows, "b": np.where(rows > 50, 1.0, 4.0)})
    assert first.ranges(5) == {"a": (5.0, 7.0), "b": (1.0, 4.0)}, "b: equal but for one later value"
    assert first.ranges(100) == {"a": (5.0, 7.0), "b": (1.0, 4.0)}


def test_it_is_said_which_range_it_was(
    series: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*SMALL, *MEMORY, f"data.path={series[1]}", "data.value=value", "data.timestamp=when"]
    assert main(["train", *given, "--json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert "ranges are those of the first 60 of 600 rows (data.range_rows): value" in err
    figures = json.loads(out.splitlines()[-1])["arms"]["minibatch"]
    of = builder(series[1])
    low, high = of.source.ranges["value"]
    values = np.loadtxt(series[1], delimiter=",", skiprows=1, usecols=1)
    outside = np.count_nonzero((values < low) | (values > high))
    assert figures["value/outside_range"]["values"] == [float(outside)]
    assert figures["classifier/bucket_minimum"]["values"][0] <= values.min()
    assert figures["classifier/bucket_maximum"]["values"][0] >= values.max()
    assert main(["train", *given, "--dry-run", "data.range=file"]) == 0
    assert "the whole file, values that come later included" in " ".join(
        capsys.readouterr().out.split()
    )


def test_a_range_that_was_much_too_narrow_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, rows = tmp_path / "rising.csv", np.arange(200)
    for slope, said in ((1.0, True), (0.0, False)):
        values = np.sin(rows) + slope * rows
        path.write_text("value\n" + "\n".join(f"{value:.6f}" for value in values))
        given = [*SMALL, *MEMORY, f"data.path={path}", "data.value=value"]
        assert main(["train", *given, "--dry-run"]) == 0
        line = " ".join(capsys.readouterr().out.split())
        times = (values.max() - values.min()) / (values[:20].max() - values[:20].min())
        expected = f"value goes on to {values.min():g} to {values.max():g}, {times:.2g} times that"
        assert (expected in line) == said
        assert ("goes on to" in line) == said
