"""One command from configuration to result: what it prints, and that nothing changes it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htmrun.cli import main
from htmrun.config.compose import load
from htmrun.training import trainer
from tests.helpers.experiments import DIGITS, HERE, SEQUENCES, results, stream, train, write_series

Capsys = pytest.CaptureFixture[str]


def sine(samples: int) -> list[float]:
    return [round(float(v), 3) for v in 10 + 5 * np.sin(np.arange(samples) / 5)]


@pytest.fixture
def series(tmp_path: Path) -> Path:
    return write_series(tmp_path / "load.csv", sine(300))


def check_shape(summary: dict[str, Any], seeds: int) -> None:
    assert set(summary) == {"run", "status", "answer", "energy", "notes", "arms"}
    assert re.fullmatch(r"\d{8}-\d{6}-[a-z]+-[0-9a-f]{4}", summary["run"])
    for metrics in summary["arms"].values():
        hashes = metrics["state_hash"]
        assert set(hashes) == {"values"}
        assert len(hashes["values"]) == seeds
        assert all(re.fullmatch("[0-9a-f]{64}", value) for value in hashes["values"])
        for name in set(metrics) - {"state_hash"}:
            figure = metrics[name]
            assert set(figure) == {"mean", "low", "high", "values"}
            assert len(figure["values"]) == seeds
            assert figure["mean"] == pytest.approx(np.mean(figure["values"]))
            if seeds > 1:
                assert figure["low"] <= figure["mean"] <= figure["high"]
            else:
                assert figure["low"] is figure["high"] is None


def test_json_of_a_classification(capsys: Capsys) -> None:
    summary, _ = train(capsys, *DIGITS, *HERE)
    check_shape(summary, seeds=2)
    assert summary["status"] == "finished"
    assert [*summary["arms"]] == ["online", "minibatch", "epoch_boost", "untrained", "no_sp"]
    for metrics in summary["arms"].values():
        assert 0.1 < metrics["accuracy"]["mean"] < 1
        assert metrics["samples_per_s"]["mean"] > 0
        assert metrics["samples"]["values"] == [1438.0, 1438.0]
    # The regimes are different, and not only in name.
    hashes = {name: tuple(m["state_hash"]["values"]) for name, m in summary["arms"].items()}
    assert len(set(hashes.values())) == 5
    assert all(first != second for first, second in hashes.values())


def test_json_of_sequences(capsys: Capsys) -> None:
    summary, _ = train(capsys, *SEQUENCES, *HERE)
    check_shape(summary, seeds=2)
    assert [*summary["arms"]] == ["online", "minibatch_50", "no_tm"]
    assert "accuracy" in summary["arms"]["online"]


def test_json_of_a_forecast(capsys: Capsys, series: Path) -> None:
    summary, _ = train(capsys, *stream(series, "seeds=[0,1]"), *HERE)
    check_shape(summary, seeds=2)
    for metrics in summary["arms"].values():
        assert {"rmse_1", "rmse_5", "mape_5", "samples_per_s"} <= set(metrics)
    online, naive = summary["arms"]["online"], summary["arms"]["persistence"]
    assert online["rmse_5"]["mean"] < naive["rmse_5"]["mean"]
    assert online["samples"]["values"] == naive["samples"]["values"] == [300.0, 300.0]


def test_quiet_shows_only_the_end(capsys: Capsys) -> None:
    capsys.readouterr()
    assert main(["train", *DIGITS, *HERE, "arms=[online,no_sp]", "--quiet"]) == 0
    quiet = capsys.readouterr()
    assert "finished in" not in quiet.out
    assert "samples/s" in quiet.out.partition("┏")[2].splitlines()[1]
    assert main(["train", *DIGITS, *HERE, "arms=[online,no_sp]"]) == 0
    assert "online-s003 finished in" in capsys.readouterr().out


def test_nothing_is_written_without_tracking(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, err = train(capsys, *DIGITS, *HERE, "arms=[online]")
    assert list(tmp_path.iterdir()) == []
    assert "dashboard" not in err


# --- what must not matter -------------------------------------------------------------------


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    path = write_series(tmp_path_factory.mktemp("series") / "load.csv", sine(300))
    return {
        "digits": [*DIGITS, "evaluate_every=500"],
        "sequences": [*SEQUENCES],
        "stream": stream(path, "seeds=[0,1]"),
    }


KINDS = pytest.mark.parametrize("kind", ["digits", "sequences", "stream"])


@KINDS
def test_the_size_of_chunks_and_repeating_change_nothing(
    kind: str, arguments: dict[str, list[str]], capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = train(capsys, *arguments[kind], *HERE)
    second, _ = train(capsys, *arguments[kind], *HERE)
    assert results(first) == results(second)
    monkeypatch.setattr(trainer, "CHUNK", 7)
    assert results(train(capsys, *arguments[kind], *HERE)[0]) == results(first)


def test_workers_change_nothing(arguments: dict[str, list[str]], capsys: Capsys) -> None:
    alone, _ = train(capsys, *arguments["digits"], "tracking=none", "workers=1")
    beside, _ = train(capsys, *arguments["digits"], "tracking=none", "workers=2")
    assert results(alone) == results(beside)


@KINDS
def test_arms_do_not_know_of_each_other(
    kind: str, arguments: dict[str, list[str]], capsys: Capsys
) -> None:
    everything, _ = train(capsys, *arguments[kind], *HERE)
    for arm in [*everything["arms"]][:2]:
        single, _ = train(capsys, *arguments[kind], *HERE, f"arms=[{arm}]")
        assert results(single) == {arm: results(everything)[arm]}


def test_neither_order_nor_seeds_beside_matter(
    arguments: dict[str, list[str]], capsys: Capsys
) -> None:
    both, _ = train(capsys, *arguments["digits"], *HERE, "arms=[no_sp,online]")
    single, _ = train(capsys, *arguments["digits"], *HERE, "arms=[online]", "seeds=[5]")
    assert [*both["arms"]] == ["online", "no_sp"]
    second = {name: values[1:] for name, values in results(both)["online"].items()}
    assert results(single) == {"online": second}


@KINDS
def test_the_plain_reference_gives_the_same(
    kind: str, arguments: dict[str, list[str]], capsys: Capsys
) -> None:
    less = {"digits": ["seeds=[3]", "arms=[online,minibatch]"], "sequences": ["data.steps=120"]}
    chosen = [*arguments[kind], *HERE, *less.get(kind, [])]
    fast, _ = train(capsys, *chosen)
    plain, _ = train(capsys, *chosen, "device=reference")
    assert results(fast) == results(plain)


def test_stages_may_have_any_name(capsys: Capsys, tmp_path: Path) -> None:
    """Also where the classifier reads the encoder."""
    folder = tmp_path / "experiment"
    folder.mkdir()
    text = """# @package _global_
name: {name}
pipeline: [{encoder}, {sp}, {last}]
epochs: 1
{encoder}: {{kind: image, threshold: 7}}
{sp}: {{kind: spatial_pooler, columns: 64}}
{last}: {{kind: sdr, reads: [{encoder}]}}
control: {{untrained: {{freeze: [{sp}]}}, no_sp: {{bypass: [{sp}]}}}}
"""
    names = {
        "usual": {"encoder": "encoder", "sp": "sp", "last": "classifier"},
        "other": {"encoder": "pixels", "sp": "pool", "last": "reader"},
    }
    found = {}
    for name, parts in names.items():
        (folder / f"{name}.yaml").write_text(text.format(name=name, **parts))
        own = (f"experiment={name}", "--config-dir", str(tmp_path))
        found[name], _ = train(capsys, *own, *HERE, "curve_points=2")
        check_shape(found[name], seeds=1)
    for arm, metrics in found["usual"]["arms"].items():
        other = found["other"]["arms"][arm]
        assert other["accuracy"] == metrics["accuracy"]
        assert other["state_bytes"] == metrics["state_bytes"]


# --- when it goes wrong ---------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_that_fails_leaves_the_others_alone(
    workers: int, capsys: Capsys, tmp_path: Path
) -> None:
    """A value far down the file lies outside of what the encoder was told."""
    path = write_series(tmp_path / "load.csv", [*sine(900), 500.0, *sine(9)])
    chosen = stream(path, "encoder=scalar", "~encoder.fields", "encoder.clip=false",
                    "encoder.minimum=0", "encoder.maximum=100", "arms=[online,persistence]",
                    "tracking=none", f"workers={workers}")  # fmt: skip
    chosen = [a for a in chosen if not a.startswith("encoder.fields")]
    summary, err = train(capsys, *chosen, status=1)
    assert summary["status"] == "failed"
    assert summary["arms"]["online"]["state_hash"]["values"] == []
    assert summary["arms"]["persistence"]["samples"]["values"] == [910.0]
    lines = [line for line in err.splitlines() if line.startswith("online-s000")]
    assert lines == [
        "online-s000 failed: encoder.clip: found the value 500, expected 0 to 100, or clip=true"
    ]
    assert "Traceback" not in err
    assert "1 of the jobs failed: online-s000" in err


def test_a_row_that_turns_bad_after_the_start_is_named(
    capsys: Capsys, series: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file was right when it was looked through."""
    from htmrun.execution.jobs import Builder

    prepare = Builder.prepare

    def prepare_and_spoil(self: Builder, arm: str | None = None) -> None:
        prepare(self, arm)
        lines = series.read_text().splitlines()
        lines[250] = "oops"
        series.write_text("\n".join(lines))

    monkeypatch.setattr(Builder, "prepare", prepare_and_spoil)
    _, err = train(capsys, *stream(series), *HERE, "arms=[online,minibatch]", status=1)
    place = (
        f"{series}:251: found 'oops' in column 'load', expected a finite number (or "
        "data.missing_values=['oops'], if it stands for none)"
    )
    assert f"online-s000 failed: {place}" in err.splitlines()
    assert f"minibatch-s000 failed: {place}" in err.splitlines()


def test_a_bad_row_far_down_ends_it_before_anything_is_recorded(
    capsys: Capsys, tmp_path: Path
) -> None:
    path = write_series(tmp_path / "load.csv", sine(20_000))
    path.write_text(path.read_text() + "oops\n")
    target = f"tracking.dir={tmp_path / 'runs'}"
    assert main(["train", *stream(path, target)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        f"error: {path}:20002: found 'oops' in column 'load', expected a finite number (or "
        "data.missing_values=['oops'], if it stands for none)\n"
    )
    assert not (tmp_path / "runs").exists()


def test_a_tracking_server_that_is_down_ends_it_before_training(
    capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "htmrun.execution.job_runs.run_jobs", lambda *_: pytest.fail("training began")
    )
    assert main(["train", *DIGITS, "tracking.uri=http://127.0.0.1:9"]) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("error: tracking.uri: no MLflow server answers at http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("arms=[]", "error: arms: found [], expected at least 1 item(s)"),
        ("seeds=[]", "error: seeds: found [], expected at least 1 item(s)"),
    ],
)
def test_nothing_to_run_is_refused(override: str, line: str, capsys: Capsys) -> None:
    assert main(["train", "experiment=digits", override]) == 2
    assert capsys.readouterr().err.splitlines() == [line]


def test_a_dashboard_without_runs_is_one_line(capsys: Capsys, tmp_path: Path) -> None:
    assert main(["dashboard", "--dir", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_dry_run_and_run_agree_on_samples_and_commits(capsys: Capsys) -> None:
    from htmrun.components.sources import open_source
    from htmrun.execution.estimate import plan_table

    loaded = load([*DIGITS, "epochs=2", "epoch_length=100", "arms=[online,minibatch]"])
    rows = plan_table(loaded.experiment, open_source(loaded.experiment.data))
    summary, _ = train(capsys, *loaded.overrides, *HERE, "seeds=[0]")
    for row in rows:
        metrics = summary["arms"][str(row["arm"])]
        assert metrics["samples"]["values"] == [row["samples"]]
        assert metrics["commits"]["values"] == [row["commits"]]
