"""One process holds a run; whoever dies lets go of it, and what it was is written down."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from htmrun.cli import main
from htmrun.errors import UserError
from htmrun.tracking import holding
from htmrun.tracking.provenance import HOST_TAG, MACHINE_TAG, process_lives, process_tags

HOLDER = """
import sys, time
from htmrun.tracking import holding
with holding.hold(sys.argv[1], "a-run"):
    holding.tell(sys.argv[1], "a-run", {"seeds": [1]}, {})
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that holds a run."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_run_is_held_until_its_process_dies(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    assert holding.held(tmp_path, "a-run") is True
    with pytest.raises(UserError) as error, holding.hold(tmp_path, "a-run"):
        pass
    here = process_tags()[HOST_TAG]
    assert str(error.value) == (
        f"run: a-run is still going (process {holder.pid} on {here}), expected one that was cut "
        "short"
    )
    # What it wrote of itself decides nothing: here another host seems to have it.
    told = tmp_path / "open" / "a-run" / "process.json"
    told.write_text(told.read_text().replace(here, "elsewhere"))
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert holding.held(tmp_path, "a-run") is False
    (early,) = holding.all_begun(tmp_path)
    assert (early.run, early.resolved) == ("a-run", {"seeds": [1]})
    with holding.hold(tmp_path, "a-run"), holding.hold(tmp_path, "a-run"):
        assert holding.held(tmp_path, "a-run") is True
        holding.ended(tmp_path, "a-run")
    assert holding.held(tmp_path, "a-run") is None
    assert list(tmp_path.iterdir()) == []


def test_looking_lets_go_of_nothing(tmp_path: Path) -> None:
    look = f"from htmrun.tracking import holding; print(holding.held({str(tmp_path)!r}, 'a'))"
    with holding.hold(tmp_path, "a"):
        holding.tell(tmp_path, "a", {}, {})
        for _ in range(2):
            assert holding.held(tmp_path, "a") is True
            seen = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True)
            assert seen.stdout == "True\n", seen.stderr
    assert holding.held(tmp_path, "a") is False


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "open").write_text("a file")
    with (
        pytest.raises(UserError, match=r"tracking\.dir: .*cannot be written"),
        holding.hold(tmp_path, "a"),
    ):
        pass


def test_what_is_damaged_is_no_run(tmp_path: Path) -> None:
    for text in ("", "{", "[1]", '{"resolved": 1}', "\x00"):
        (tmp_path / "open" / "a").mkdir(parents=True, exist_ok=True)
        (tmp_path / "open" / "a" / "run.json").write_text(text)
        assert holding.all_begun(tmp_path) == []


def test_a_process_in_another_container_of_the_same_name_counts_as_alive() -> None:
    tags = process_tags()
    assert process_lives(tags)
    gone = {**tags, "htmrun.process_start": "12345.00"}
    assert not process_lives(gone)
    assert process_lives({**gone, MACHINE_TAG: "another/4026531836"})
    without = {k: v for k, v in gone.items() if k != MACHINE_TAG}
    assert not process_lives(without), "runs of earlier versions do not say"


def test_a_run_cut_short_before_its_first_record_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its configuration is all that there is: not even a database."""
    monkeypatch.chdir(tmp_path)
    small = ("experiment=digits", "sp.columns=64", "data.test_fraction=0.9", "seeds=[3]",
             "arms=[online]", "workers=1")  # fmt: skip

    class GoneError(BaseException):
        pass

    def gone(*_: object, **__: object) -> None:
        raise GoneError

    with monkeypatch.context() as patch:
        patch.setattr("htmrun.tracking.recording.Tracker", gone)
        with pytest.raises(GoneError):
            main(["train", *small])
    (run,) = (path.name for path in Path("runs/open").iterdir())
    assert not Path("runs/mlflow.db").exists()
    capsys.readouterr()
    assert main(["resume", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["run"] == run
    assert not Path("runs/open").exists(), "it has come to its end"
    assert main(["train", *small, "tracking=none", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out.splitlines()[-1])
    hashes = [each["arms"]["online"]["state_hash"]["values"] for each in (summary, whole)]
    assert hashes[0] == hashes[1]

    # Beside other runs it is said, and is the latest.
    with monkeypatch.context() as patch:
        patch.setattr("htmrun.tracking.recording.Tracker", gone)
        with pytest.raises(GoneError):
            main(["train", *small, "seeds=[4]"])
    (other,) = (path.name for path in Path("runs/open").iterdir())
    assert main(["runs"]) == 0
    line = f"{other} was cut short before its first record; htmrun resume goes on\n"
    assert capsys.readouterr().err == line
    assert main(["resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["run"] == other
