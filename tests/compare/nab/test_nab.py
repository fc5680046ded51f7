"""`htmrun nab` on a small folder: what is printed, recorded, written, and read back."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htmrun.cli import main
from htmrun.compare.nab import judging, layout
from htmrun.compare.nab.corpus import read_corpus
from htmrun.compare.nab.detecting import Detector, Task
from htmrun.compare.nab.published import FOUR, WHOLE, published
from htmrun.compare.nab.report import others_of
from htmrun.components.likelihood import AnomalyParameters
from htmrun.components.sources.series import SeriesParameters
from htmrun.config.compose import load
from htmrun.training.records import Job
from tests.helpers.experiments import DATA, started
from tests.helpers.nab import ROWS, WINDOWS, series, times, write_corpus

SMALL = (
    "sp.columns=128", "sp.winners=10", "tm.cells_per_column=4", "tm.activation_threshold=5",
    "tm.matching_threshold=3", "tm.new_synapses=8",
)  # fmt: skip
SERIES = SeriesParameters.model_validate({"sort": False})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("nab") / "corpus")


@pytest.fixture(scope="module")
def told(folder: Path) -> tuple[dict[str, Any], Path]:
    """One run of two arms and two seeds: what it printed as JSON, and the folder it ran in."""
    here = folder.parent
    words = [
        "nab",
        str(folder),
        *SMALL,
        "seeds=[3,5]",
        "arms=[online,minibatch,gaussian]",
        "workers=2",
    ]
    words += ["--results", "out", "--json"]
    process = started(*words, cwd=here)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    [line] = out.splitlines()
    return json.loads(line), here


def error_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(["nab", *words]) == 2
    captured = capsys.readouterr()
    [line] = captured.err.splitlines()
    return line


def test_windows_are_the_rows_between_their_times(folder: Path) -> None:
    corpus = read_corpus(folder, SERIES)
    assert {name: list(f.windows) for name, f in corpus.files.items()} == dict(
        sorted(WINDOWS.items())
    )
    assert corpus.absent == ("absent/gone.csv",)
    assert (corpus.rows, corpus.windows) == (3 * ROWS, 2)
    assert np.array_equal(corpus.files["steps/jump.csv"].values, series("jump.csv"))


def test_the_encoder_knows_the_range_of_the_file_and_a_fifth_more(folder: Path) -> None:
    files = read_corpus(folder, SERIES).files
    low, high = series("jump.csv").min(), series("jump.csv").max()
    room = (high - low) / 5
    assert files["steps/jump.csv"].source.ranges["value"] == pytest.approx(
        (low - room, high + room)
    )


def test_a_file_of_one_value_has_a_range(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    flat = "".join(f"{time},45.0\n" for time in times())
    (tmp_path / "data" / "waves" / "plain.csv").write_text(f"timestamp,value\n{flat}")
    assert read_corpus(tmp_path, SERIES).files["waves/plain.csv"].source.ranges == {
        "value": (44.8, 45.2)
    }


def test_scores_are_those_of_the_plain_reference_sample_by_sample(folder: Path) -> None:
    """The share of active columns that had not been predicted, by NumPy, one sample a call."""
    experiment = load(["experiment=nab", *SMALL, "device=reference"]).experiment
    fast = experiment.model_copy(update={"device": "cpu"})
    corpus = read_corpus(folder, experiment.data)
    name = "waves/odd.csv"
    sources = {name: corpus.files[name].source}
    for arm in ("online", "minibatch"):
        task = Task(Job(arm, 3), name)
        plain = Detector(experiment, sources).scores(task)
        assert np.array_equal(Detector(fast, sources).scores(task), plain)
        assert plain[0] == 1.0
        assert plain[200:300].mean() < 0.5 < plain[:20].mean()
        assert plain.shape == (ROWS,)


def test_a_run_says_every_score_as_hand_made_sums_do(told: tuple[dict[str, Any], Path]) -> None:
    report, _ = told
    assert (report["files"], report["rows"], report["windows"]) == (3, 3 * ROWS, 2)
    assert report["absent"] == ["absent/gone.csv"]
    assert list(report["arms"]) == ["online", "minibatch", "gaussian", "range_rule"]
    for arm in report["arms"].values():
        for seed, mean in zip(("3", "5"), arm["metrics"]["nab/standard"]["values"], strict=True):
            points = sum(file["points"] for file in arm["files"][seed].values())
            assert mean == pytest.approx(100 * (points + 2) / 4)
            assert sum(f["windows"] for f in arm["files"][seed].values()) == 2
    # Row 410 is the first out of range, the eleventh of a window of 40; the other is missed.
    rule = report["arms"]["range_rule"]["metrics"]["nab/standard"]
    found = 2 / (1 + np.exp(-5 * 30 / 40)) - 1
    assert rule["mean"] == pytest.approx(100 * (found / (2 / (1 + np.exp(-5)) - 1) + 1) / 4)
    assert set(report["ensembles"]) == {"online", "minibatch"}
    assert report["published"]["same_files"] is False


def test_mlflow_has_each_arm_and_seed(
    told: tuple[dict[str, Any], Path], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    report, here = told
    monkeypatch.chdir(here)
    kept = json.loads((here / "runs" / "nab" / f"{report['run']}.json").read_text())
    assert kept == report
    capsys.readouterr()
    assert main(["compare", "--format", "json", "-m", "nab/standard"]) == 0
    found = json.loads(capsys.readouterr().out)
    metric = found["metrics"]["nab/standard"]
    for arm, interval in metric["arms"].items():
        assert interval["mean"] == pytest.approx(
            report["arms"][arm]["metrics"]["nab/standard"]["mean"]
        )
    for command in ("rerun", "resume"):
        assert main([command]) == 2
        assert f"{report['run']} is of htmrun nab" in capsys.readouterr().err


def test_written_files_score_as_the_run_did(
    told: tuple[dict[str, Any], Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, here = told
    path = here / "out" / "htmrun_online_s003" / "waves" / "htmrun_online_s003_odd.csv"
    lines = path.read_text().splitlines()
    assert lines[0] == "timestamp,value,anomaly_score,label"
    assert lines[301].startswith(f"{times()[300]},{series('odd.csv')[300]},")
    assert [line[-1] for line in lines[300:342]] == ["0"] + ["1"] * 40 + ["0"]
    capsys.readouterr()
    assert main(["nab", str(folder), "--score-only", str(here / "out"), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["others"]
    for name, arm, seed in (("online_s003", "online", 0), ("minibatch_s005", "minibatch", 1)):
        for metric, values in report["arms"][arm]["metrics"].items():
            assert again[f"htmrun_{name}"]["metrics"][metric] == values["values"][seed]
    ensemble = again["htmrun_online_ensemble"]
    assert ensemble == {**report["ensembles"]["online"], "absent": []}


def test_results_that_lack_files_are_scored_on_the_others_and_said(
    told: tuple[dict[str, Any], Path], folder: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    corpus = read_corpus(folder, SERIES)
    rule = judging.range_rule(corpus, AnomalyParameters.model_validate({}))
    layout.write(tmp_path, "few", corpus, {"steps/jump.csv": rule["steps/jump.csv"]})
    capsys.readouterr()
    assert main(["nab", str(folder), "--score-only", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "* few has no scores of 2 of the 3 files" in out
    assert "98.3" in out  # Only the window of its one file: found in its eleventh row.
    short = tmp_path / "few" / "steps" / "few_jump.csv"
    short.write_text("".join(short.read_text().splitlines(keepends=True)[:-1]))
    assert "has 479 rows and steps/jump.csv has 480" in error_of(
        capsys, str(folder), "--score-only", str(tmp_path)
    )
    short.write_text("timestamp,anomaly_score\n2014-04-01 00:00:00,much\n")
    assert f"{short}:2: anomaly_score is 'much', expected a number" in error_of(
        capsys, str(folder), "--score-only", str(tmp_path)
    )


def test_an_ensemble_judges_the_mean_of_raw_scores() -> None:
    one, two = {"a": np.array([0.0, 0.5])}, {"a": np.array([1.0, 0.0])}
    assert judging.ensemble([one, two])["a"].tolist() == [0.5, 0.25]


def test_what_is_wrong_is_said_in_a_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "expected the folder of the Numenta Anomaly Benchmark" in error_of(capsys, str(tmp_path))
    assert "not a folder" in error_of(capsys, str(tmp_path / "nowhere"))
    assert "before settings" in error_of(capsys, "seeds=[0]")
    assert "expected series" in error_of(capsys, str(folder), "experiment=digits")
    assert "no temporal memory" in error_of(
        capsys, str(folder), "pipeline=[encoder,sp,classifier]", "classifier.horizons=[1]"
    )
    assert "expected fixed" in error_of(capsys, str(folder), "anomaly.choose=budget")
    assert "probation: 5 is not above learning = 100" in error_of(
        capsys, str(folder), "anomaly.probation=5", "anomaly.learning=100"
    )
    assert "expected it alone" in error_of(capsys, str(folder), "seeds=[0]", "--score-only", "x")
    broken = write_corpus(tmp_path / "broken")
    path = broken / "data" / "waves" / "plain.csv"
    lines = path.read_text().splitlines()
    lines[100] = lines[100].split(",")[0] + ",high"
    path.write_text("\n".join(lines))
    error = error_of(capsys, str(broken))
    assert f"{path}:101" in error.replace(f"{path}, line 101", f"{path}:101"), error
    assert "'high'" in error
    assert not Path("runs").exists() or not list(Path("runs").glob("nab/*"))


def test_figures_of_other_files_are_not_called_the_same() -> None:
    four = {"artificialNoAnomaly": 5, "artificialWithAnomaly": 6, "realKnownCause": 7,
            "realTraffic": 7}  # fmt: skip
    names = [f"{category}/{i}.csv" for category, count in four.items() for i in range(count)]
    assert published(names) == (FOUR, True)
    assert published(names[1:]) == (WHOLE, False)


def test_an_interrupted_run_ends_in_a_line(folder: Path, tmp_path: Path) -> None:
    words = ["nab", str(folder), "device=reference", "tracking=none", "workers=1"]
    process = started(*words, cwd=tmp_path)
    try:
        deadline = time.monotonic() + 120
        assert process.stdout is not None
        while "prepar" not in (line := process.stdout.readline()) and line:
            if "files" in line:
                break
            assert time.monotonic() < deadline
        time.sleep(12)
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1] == (
        "interrupted: 0 of 4 jobs finished; the same command starts afresh"
    )


@pytest.mark.skipif(not (DATA / "nab").is_dir(), reason="needs HTMRUN_TEST_DATA/nab")
def test_published_detectors_score_as_published() -> None:
    corpus = read_corpus(DATA / "nab", SERIES)
    assert published(corpus.files)[1]
    found = others_of(corpus, 0.5)
    scores = json.loads((DATA / "nab" / "published" / "scores.json").read_text())
    assert set(found) == set(scores)
    for name, profiles in scores.items():
        for profile, expected in profiles.items():
            result = found[name].scored.best[profile]
            assert result.normalized == pytest.approx(expected["normalized_score"], abs=1e-9)
            assert result.points == pytest.approx(expected["raw_score"], abs=1e-9)


@pytest.mark.skipif(not (DATA / "nab").is_dir(), reason="needs HTMRUN_TEST_DATA/nab")
def test_the_windowed_gaussian_scores_as_published() -> None:
    experiment = load(["experiment=nab"]).experiment
    corpus = read_corpus(DATA / "nab", experiment.data)
    scores, level = judging.baseline(
        corpus, "control.gaussian", experiment.control["gaussian"], experiment.anomaly
    )
    scores_json = json.loads((DATA / "nab" / "published" / "scores.json").read_text())
    for profile, expected in scores_json["windowedGaussian"].items():
        found = judging.score(corpus, scores, level).best[profile].normalized
        assert found == pytest.approx(expected["normalized_score"], abs=0.01), profile
