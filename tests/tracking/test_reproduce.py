"""Runs taken up again: continued after a cut, repeated and compared, exported and run there."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from htmrun.cli import main
from tests.helpers.experiments import DIGITS, started, stream, train, write_series

Capsys = pytest.CaptureFixture[str]
SMALL = (*DIGITS, "arms=[online,no_sp]", "workers=1")


def client(folder: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{folder}/runs/mlflow.db")


def recorded(folder: Path) -> list[Any]:
    found = client(folder)
    runs: list[Any] = found.search_runs([e.experiment_id for e in found.search_experiments()])
    return runs


def cut_short(folder: Path, *names: str) -> None:
    """Make jobs look as after a kill -9: running, of a process that is no more."""
    found = client(folder)
    for run in recorded(folder):
        if run.info.run_name in names:
            found.set_tag(run.info.run_id, "htmrun.pid", "1")
            found.set_tag(run.info.run_id, "htmrun.process_start", "1.0")
            found.delete_tag(run.info.run_id, "htmrun.state_hash")
            found.update_run(run.info.run_id, status="RUNNING")


def said(capsys: Capsys, *arguments: str, status: int = 0) -> list[str]:
    capsys.readouterr()
    assert main([*arguments]) == status
    return capsys.readouterr().out.splitlines()


def complaint(capsys: Capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert main([*arguments]) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    return line


# --- rerun ----------------------------------------------------------------------------------


def test_a_run_repeated_is_the_same_and_a_change_is_seen(here: Path, capsys: Capsys) -> None:
    train(capsys, *SMALL)
    assert said(capsys, "rerun") == [
        "online-s003: same state hash, same figures",
        "no_sp-s003: same state hash, same figures",
        "online-s005: same state hash, same figures",
        "no_sp-s005: same state hash, same figures",
        "4 of 4 jobs are the same",
    ]
    assert said(capsys, "rerun", "seeds=[5]", "arms=[online]", "device=reference") == [
        "online-s005: same state hash, same figures",
        "1 of 1 jobs are the same",
    ]
    assert len(recorded(here)) == 4, "a rerun is not recorded"
    run = next(r for r in recorded(here) if r.info.run_name == "online-s003")
    client(here).set_tag(run.info.run_id, "htmrun.state_hash", "0" * 64)
    client(here).log_metric(run.info.run_id, "accuracy", 0.123, timestamp=2**42, step=10**9)
    lines = said(capsys, "rerun", "seeds=[3]", status=1)
    assert "online-s003: ANOTHER STATE HASH, other figures: accuracy" in lines
    assert "1 of 2 jobs are the same" in lines


def test_a_rerun_says_what_it_cannot_do(here: Path, capsys: Capsys) -> None:
    assert complaint(capsys, "rerun", "nothing").startswith("error: ")
    train(capsys, *SMALL, "arms=[no_sp]", "seeds=[1]")
    nowhere = complaint(capsys, "rerun", "--on", "ray://127.0.0.1:9")
    assert nowhere.startswith("error: --on: no Ray answers at ray://127.0.0.1:9 (")
    assert complaint(capsys, "rerun", "sp.columns=3") == (
        "error: sp.columns: found in a rerun, expected one of arms, seeds, workers, threads, "
        "device: everything else stays as it was"
    )
    assert complaint(capsys, "rerun", "seeds=[x]").startswith("error: seeds[0]: found 'x'")
    assert complaint(capsys, "rerun", "seeds=[9]").endswith(
        "has no finished job to repeat, expected at least one"
    )


def test_data_that_have_changed_are_refused(here: Path, capsys: Capsys) -> None:
    path = write_series(here / "load.csv", [float(i % 7) for i in range(120)])
    train(capsys, *stream(path, "arms=[persistence]"))
    write_series(path, [float(i % 6) for i in range(120)])
    for command in (["rerun"], ["export", "2", "out"]):
        line = complaint(capsys, *command)
        assert line.startswith("error: data: its hash is ")
        assert line.endswith("was recorded: the data have changed")
    assert not (here / "out").exists()


# --- export ---------------------------------------------------------------------------------


def test_an_exported_folder_runs_elsewhere_with_its_data(
    here: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write_series(here / "load.csv", [float(i * i % 11) for i in range(200)])
    summary, _ = train(capsys, *stream(path, "arms=[online,persistence]"))
    said(capsys, "export", summary["run"], "out")
    path.unlink()
    elsewhere = tmp_path / "elsewhere"
    shutil.move(here / "out", elsewhere)
    shutil.rmtree(here / "runs")
    names = {p.name for p in elsewhere.iterdir()}
    assert names == {
        "README.md", "data", "experiment.yaml", "requirements.txt", "results.csv", "results.json",
    }  # fmt: skip
    assert said(capsys, "rerun", str(elsewhere))[-1] == "2 of 2 jobs are the same"
    rows = list(csv.DictReader((elsewhere / "results.csv").open()))
    rmse = next(r for r in rows if (r["arm"], r["figure"]) == ("online", "rmse_1"))
    assert float(rmse["value"]) == summary["arms"]["online"]["rmse_1"]["values"][0]
    assert (
        f"numpy=={__import__('numpy').__version__}" in (elsewhere / "requirements.txt").read_text()
    )
    monkeypatch.chdir(elsewhere)
    repeated, _ = train(capsys, "experiment.yaml", "tracking=none")
    for arm in ("online", "persistence"):
        assert repeated["arms"][arm]["state_hash"] == summary["arms"][arm]["state_hash"]


def test_a_folder_of_pictures_is_exported_whole(here: Path, capsys: Capsys) -> None:
    rng = np.random.default_rng(5)
    for number in range(40):
        path = here / "pictures" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 80, (8, 8)).astype(np.uint8)
        pixels[4 * (number % 2) :][:4] += 150
        Image.fromarray(pixels).save(path)
    pictures = ("data=folder", "data.path=pictures", "sp.columns=64", "arms=[online]")
    train(capsys, "experiment=mnist", *pictures, "evaluate_every=null")
    said(capsys, "export", "2", "out")
    shutil.rmtree(here / "pictures")
    assert said(capsys, "rerun", "out")[-1] == "1 of 1 jobs are the same"


def test_an_export_leaves_what_is_there_alone(here: Path, capsys: Capsys) -> None:
    train(capsys, *SMALL, "arms=[no_sp]", "seeds=[1]")
    (here / "full").mkdir()
    (here / "full" / "mine.txt").write_text("mine")
    assert complaint(capsys, "export", "2", "full") == (
        "error: DIR: found full, which is not empty, expected a new folder"
    )
    said(capsys, "export", "2", "out", "--no-data")
    text = (here / "out" / "results.json").read_text()
    (here / "out" / "results.json").write_text(text[:40])
    assert complaint(capsys, "rerun", "out").startswith("error: out: no whole export (")


# --- resume ---------------------------------------------------------------------------------


def test_what_is_left_of_a_run_is_run_under_its_id(here: Path, capsys: Capsys) -> None:
    whole, _ = train(capsys, *SMALL)
    before = {run.info.run_name: run for run in recorded(here)}
    cut_short(here, "online-s005", "no_sp-s003")
    capsys.readouterr()
    assert main(["resume", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["run"] == whole["run"]
    for arm in ("online", "no_sp"):
        for figure in ("accuracy", "state_hash", "nll"):
            found = summary["arms"][arm][figure]["values"]
            assert found == whole["arms"][arm][figure]["values"]
    after = {run.info.run_name: run for run in recorded(here)}
    assert len(recorded(here)) == 4
    assert {run.info.status for run in after.values()} == {"FINISHED"}
    kept = {name for name, run in after.items() if run.info.run_id == before[name].info.run_id}
    assert kept == {"online-s003", "no_sp-s005"}
    for name, run in after.items():
        assert run.data.tags["htmrun.index"] == before[name].data.tags["htmrun.index"]
    assert said(capsys, "resume") == [
        f"run {whole['run']}: all 4 jobs finished, nothing to continue"
    ]


def test_a_run_that_is_still_going_is_left_alone(here: Path, capsys: Capsys) -> None:
    train(capsys, *SMALL, "arms=[no_sp]", "seeds=[1]")
    (run,) = recorded(here)
    client(here).update_run(run.info.run_id, status="RUNNING")
    assert f"is still going (process {os.getpid()} on " in complaint(capsys, "resume")


@pytest.mark.slow
def test_a_killed_run_is_continued(here: Path, capsys: Capsys) -> None:
    arguments = ("train", *DIGITS, "arms=[online]", "seeds=[0,1,2]", "workers=1", "epochs=30")

    def finished() -> int:
        with closing(sqlite3.connect(here / "runs" / "mlflow.db")) as database:
            query = "SELECT count(*) FROM runs WHERE status = 'FINISHED'"
            return int(database.execute(query).fetchone()[0])

    process = started(*arguments, cwd=here)
    try:
        deadline = time.monotonic() + 120
        while finished() < 1 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    done = finished()
    assert 1 <= done < 3
    capsys.readouterr()
    assert main(["resume", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert len(summary["arms"]["online"]["accuracy"]["values"]) == 3
    assert finished() == 3
    assert said(capsys, "rerun")[-1] == "3 of 3 jobs are the same"


def test_passwords_stay_out_of_what_a_run_keeps(
    here: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    from htmrun.tracking.provenance import process_tags
    from htmrun.tracking.recording import without_password

    address = "postgresql://me:secret@host/study"
    monkeypatch.setattr(
        "sys.argv", ["htmrun", "sweep", f"sweep.storage={address}", "--trials", "3"]
    )
    command = process_tags()["htmrun.command"]
    assert command == "htmrun sweep sweep.storage=postgresql://***@host/study --trials 3"
    kept = without_password({"seeds": [1], "tracking": {"uri": address, "dir": "runs"}})
    assert "secret" not in str(kept)
    assert kept["tracking"]["dir"] == "runs"
    assert without_password({"tracking": {"uri": None}}) == {"tracking": {"uri": None}}


def test_a_run_on_validation_says_so(here: Path, capsys: Capsys) -> None:
    few = ("arms=[no_sp]", "seeds=[1]", "data.held_out=validation")
    assert "measured on validation samples; data.held_out=test judges" in said(
        capsys, "train", *SMALL, *few
    )
    (run,) = recorded(here)
    assert run.data.tags["htmrun.held_out"] == "validation"
    assert "validation" not in " ".join(said(capsys, "train", *SMALL, *few[:2]))
