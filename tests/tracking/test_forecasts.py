"""What was said of each row: kept whole, the same as `predict` says it, whatever happens."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest

import htmrun
from htmrun.cli import main
from htmrun.components.sources import open_source
from htmrun.config.compose import load
from htmrun.errors import StopRequestedError
from htmrun.execution.jobs import Builder, jobs_of
from htmrun.execution.live import Live
from htmrun.execution.saved import Saved
from htmrun.testing.measures import finish
from htmrun.tracking.forecasts import read_table, write_table
from htmrun.training import trainer
from htmrun.training.baselines import forecast
from htmrun.training.checkpoints import Checkpoints
from htmrun.training.records import Finished, Job
from tests.helpers.experiments import stream
from tests.training.test_baselines import Values, control

Capsys = pytest.CaptureFixture[str]
COUNT = 150
SETTINGS = (
    "seeds=[2]", "workers=1", "curve_points=3", "sp.winners=6", "tm.activation_threshold=4",
    "tm.matching_threshold=3", "tm.new_synapses=6", "data.range_rows=20", "anomaly.probation=50",
    "anomaly.learning=10", "data.timestamp=when", "data.reset=start", "anomaly.alarm=0.6",
    "anomaly.later=0.6", "data.missing=previous", "sp.increment=0.05", "sp.decrement=0.008",
)  # fmt: skip


def rows() -> list[dict[str, str]]:
    """An hourly wave with a missing value and a second sequence, which begins at row 77."""
    found = []
    for i in range(COUNT):
        when = np.datetime64("2026-01-05T00:00:00") + np.timedelta64(i, "h")
        value = 50 + 20 * math.sin(2 * math.pi * i / 24) + (i * 7919 % 13) / 4
        load = "" if i == 40 else f"{value:.2f}"
        odd = str(int(60 <= i < 70 or i == COUNT - 1))
        found.append({"when": str(when), "load": load, "start": str(int(i == 77)), "odd": odd})
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the rows and a recorded run over them."""
    folder = tmp_path_factory.mktemp("home")
    with (folder / "load.csv").open("w") as file:
        writer = csv.DictWriter(file, ["when", "load", "start", "odd"])
        writer.writeheader()
        writer.writerows(rows())
    with chdir(folder):
        arguments = stream(Path("load.csv"), *SETTINGS, "seeds=[2,3]")
        assert main(["train", *arguments, "--quiet"]) == 0
        yield folder


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(home)
    return home


def builder(*overrides: str) -> Builder:
    experiment = load(stream(Path("load.csv"), *SETTINGS, *overrides)).experiment
    return Builder(experiment, open_source(experiment.data), forecast_bytes=1e6)


def series(capsys: Capsys, *arguments: str) -> list[dict[str, str]]:
    capsys.readouterr()
    assert main(["series", *arguments]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


@pytest.mark.parametrize(
    "arm", ["arm.x.learn_every=1", "arm.x.learn_every=7", "arm.x.bypass=[tm]"], ids=str
)
def test_a_job_keeps_what_the_live_model_says_of_the_same_rows(here: Path, arm: str) -> None:
    """Bytes are equal, of a model that nobody trained and that learns from each row."""
    reads = ["classifier.reads=[sp]"] if "bypass" in arm else []
    made = builder("arms=[x]", f"+{arm}", *reads)
    kept = finish(made).forecasts
    [job] = jobs_of(made.experiment)
    untrained = made.pipeline(made.experiment.arm["x"], job.seed).state()
    live = Live(Saved.of(made, "none", Finished(job, {"commits": 0.0}, "", 0.0, {}, untrained)))
    live.begin_sequence()
    given, answers = rows(), []
    for start, stop in ((0, 1), (1, 3), (3, 60), (60, 90), (90, COUNT)):
        answers += live.take(given[start:stop])
    assert list(kept) == live.names == list(answers[0])
    assert kept["time"].tolist() == [np.datetime64(a["time"], "us").item() for a in answers]
    for name in live.names[1:]:
        said = np.array([answer[name] for answer in answers])
        assert said.tobytes() == kept[name].tobytes(), name
    assert np.flatnonzero(np.isnan(kept["value"])).tolist() == [40]
    if "bypass" not in arm:
        assert 0 < kept["alert"].sum() < COUNT / 2


def test_cuts_and_stops_do_not_show(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = builder("arms=[minibatch]")
    whole = finish(made).forecasts
    monkeypatch.setattr(trainer, "CHUNK", 13)
    files = [tmp_path / f"{name}.parquet" for name in ("whole", "cut", "stopped")]
    kept = replace(made, checkpoints=Checkpoints(tmp_path / "kept", "the same job", 1e9))
    for pieces in (1, 4, 3):
        with pytest.raises(StopRequestedError):
            finish(kept, pieces)
    assert list((tmp_path / "kept").iterdir()), "no checkpoint was written"
    for path, table in zip(
        files, (whole, finish(made).forecasts, finish(kept).forecasts), strict=True
    ):
        write_table(path, table)
    assert len(whole["value"]) == COUNT
    assert files[0].read_bytes() == files[1].read_bytes() == files[2].read_bytes()
    found = read_table(files[0])
    assert [found[n].tobytes() for n in whole] == [whole[n].tobytes() for n in whole]


def test_errors_of_the_forecasts_are_those_that_were_scored(here: Path) -> None:
    results = htmrun.run(stream(Path("load.csv"), *SETTINGS))
    for arm in ("online", "persistence"):
        kept, scored = results.forecasts(arm, 2), results.series(arm, 2)
        values = kept["value"].to_numpy()
        for h in (1, 5):
            error = (values[h:] - kept[f"forecast_{h}"].to_numpy()[:-h]) ** 2
            expected = scored[f"loss/{h}"][h:]
            use = ~np.isnan(expected)
            assert use.sum() > 100
            np.testing.assert_allclose(error[use], expected[use], rtol=1e-5, atol=1e-6)
    with pytest.raises(htmrun.UserError, match="none were kept of online-s002"):
        htmrun.run(stream(Path("load.csv"), *SETTINGS, "arms=[online]",
                          "tracking.forecasts_mb=0")).forecasts("online", 2)  # fmt: skip


def test_labelled_windows_stand_beside_what_was_said_of_them(here: Path) -> None:
    label = finish(builder("arms=[online]", "data.label=odd")).forecasts["label"]
    assert label.tolist() == [int(row["odd"]) for row in rows()]
    assert "label" not in finish(builder("arms=[online]")).forecasts


def test_of_several_passes_it_is_the_first(here: Path) -> None:
    once = finish(builder("arms=[online]")).forecasts
    twice = finish(builder("arms=[online]", "epochs=2")).forecasts
    assert [twice[n].tobytes() for n in twice] == [once[n].tobytes() for n in once]


def test_controls_forecast_at_each_row_up_to_the_last() -> None:
    given = Values([1, 2, 4, np.nan, 5, 8], times=[f"2026-0{m}-01" for m in range(1, 7)])
    job = Job("naive", 0, control=True)

    def kept(period: int | None) -> dict[str, list[float]]:
        *_, last = forecast(job, given, [1, 2], control(given, period), 6, 9, keep=1e6)  # type: ignore[arg-type]
        assert isinstance(last, Finished)
        return {name: column.tolist() for name, column in last.forecasts.items()}

    last = kept(None)
    assert list(last) == ["time", "value", "forecast_1", "forecast_2"]
    # The missing value was filled in by the one before it.
    assert last["forecast_1"] == last["forecast_2"] == [1, 2, 4, 4, 5, 8]
    np.testing.assert_array_equal(last["value"], [1, 2, 4, np.nan, 5, 8])
    # Three months before the value that is forecast; April's was missing.
    nan = math.nan
    season = kept(3)
    np.testing.assert_array_equal(season["forecast_1"], [nan, nan, 1, 2, 4, nan])
    np.testing.assert_array_equal(season["forecast_2"], [nan, 1, 2, 4, nan, 5])


def test_all_arms_and_seeds_are_one_table(here: Path, capsys: Capsys) -> None:
    found = series(capsys, "latest")
    assert list(found[0]) == [
        "arm", "seed", "time", "value", "forecast_1", "low_1", "high_1", "forecast_5", "low_5",
        "high_5", "anomaly", "likelihood", "alert",
    ]  # fmt: skip
    jobs = list(dict.fromkeys((row["arm"], row["seed"]) for row in found))
    assert jobs == [(a, s) for a in ("online", "minibatch", "persistence") for s in ("2", "3")]
    assert len(found) == len(jobs) * COUNT
    assert {row["low_1"] for row in found if row["arm"] == "persistence"} == {""}
    one = series(capsys, "latest", "--arm", "online", "--seed", "2")
    assert next(iter(one[0])) == "time"
    assert [{**row} for row in one] == [
        {name: cell for name, cell in row.items() if name not in ("arm", "seed")}
        for row in found
        if (row["arm"], row["seed"]) == ("online", "2")
    ]
    [path] = {p for p in here.glob("runs/artifacts/*/*/artifacts/forecasts.parquet")
              if pandas.read_parquet(p)["forecast_1"].tolist()
              == [float(row["forecast_1"]) for row in one]}  # fmt: skip
    assert str(pandas.read_parquet(path)["time"][3]) == "2026-01-05 03:00:00"


def test_a_file_is_written_whole(here: Path, capsys: Capsys) -> None:
    assert main(["series", "latest", "-a", "online", "-o", "out.csv"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "300 rows in out.csv" in captured.err
    assert pandas.read_csv("out.csv").groupby("seed").size().tolist() == [COUNT, COUNT]
    assert not list(here.glob(".out*"))
    assert main(["series", "latest", "-o", "none/out.csv"]) == 2
    assert "error: --out: cannot write to none/out.csv: No such file" in capsys.readouterr().err


def test_the_report_has_a_page_of_the_whole_series(here: Path, capsys: Capsys) -> None:
    assert main(["compare", "latest", "--report", "page"]) == 0
    assert "logged as artifact 'report' of online-s002" in capsys.readouterr().err
    assert '<a href="series.html">' in Path("page/report.html").read_text(encoding="utf-8")
    logged = list(here.glob("runs/artifacts/*/*/artifacts/report/*"))
    assert sorted(path.name for path in logged) == ["report.html", "series.html"]
    assert Path("page/series.html").stat().st_size < 200_000
    drawn = {path.stem for path in Path("page/plots").iterdir()}
    assert {"forecast-1", "forecast-5", "error-1", "error-5", "anomalies"} <= drawn


def test_the_run_has_its_pictures(here: Path) -> None:
    for job in here.glob("runs/artifacts/*/*/artifacts"):
        pictures = {path.name for path in (job / "plots").iterdir()}
        assert pictures == {"curves.png", "forecasts.png", "errors.png", "anomalies.png"}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nothing"], "run: no experiment run begins with 'nothing'"),
        (["latest", "--arm", "onlin"], "--arm: found 'onlin' in "),
        (["latest", "--arm", "onlin"], "did you mean 'online'?"),
        (["latest", "--seed", "7"], "--seed: found 7, expected one of 2, 3 (online, minibatch"),
        (["digits", "--dir", "digits"], "forecasts: none were kept of online-s000, whose task is "
         "classification, expected a run that forecasts a series"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_a_line(
    here: Path, capsys: Capsys, arguments: list[str], line: str
) -> None:
    if "digits" in arguments:
        small = ["experiment=digits", "sp.columns=64", "epochs=1", "seeds=[0]", "arms=[online]"]
        assert main(["train", *small, "tracking.dir=digits", "workers=1", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["series", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert line in err
    assert len(err.splitlines()) == 1


def test_a_series_that_is_too_long_is_left_out_with_a_line(here: Path, capsys: Capsys) -> None:
    """Eleven columns of 150 rows are .0132 MB; a file of them is smaller, two are not."""
    for megabytes, line in (
        (0.01, "note: tracking.forecasts_mb: forecasts row by row take 0.0 MB a job, more than"),
        (0.0132, "tracking.forecasts_mb: the forecasts of 1 jobs (minibatch-s002) are not kept"),
    ):
        folder = f"small{megabytes}"
        arguments = stream(
            Path("load.csv"), *SETTINGS, f"tracking.dir={folder}", "arms=[online,minibatch]",
            f"tracking.forecasts_mb={megabytes}",
        )  # fmt: skip
        capsys.readouterr()
        assert main(["train", *arguments, "--quiet"]) == 0
        assert line in capsys.readouterr().err
        kept = len(list(here.glob(f"{folder}/artifacts/*/*/artifacts/forecasts.parquet")))
        assert kept == (megabytes > 0.01)
    assert main(["series", "latest", "--dir", folder]) == 0
    assert "note: none were kept of minibatch-s002" in capsys.readouterr().err


def test_the_pass_is_said(here: Path, capsys: Capsys) -> None:
    arguments = stream(Path("load.csv"), *SETTINGS, "tracking.dir=twice", "epochs=2")
    assert main(["train", *arguments, "--quiet"]) == 0
    capsys.readouterr()
    assert main(["series", "latest", "--dir", "twice"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1 + 3 * COUNT
    assert err == (
        "note: these are of the first of 2 passes over the series; in later ones it had been "
        "learned\n"
    )
