"""Cut off at a place where something was half done, a run is whole once it was taken up again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from htmrun.cli import main
from htmrun.tracking import holding
from htmrun.tracking.holding import folder_of
from htmrun.tracking.tracker import Tracker
from tests.helpers.dying import within
from tests.helpers.experiments import DIGITS
from tests.tracking.test_reproduce import recorded

JOBS = (*DIGITS, "data.test_fraction=0.9", "arms=[online,minibatch]", "workers=1")


class GoneError(BaseException):
    """The process is gone."""


def cut(monkeypatch: pytest.MonkeyPatch, name: str, at: int, *arguments: str) -> None:
    """Run a command that ends where a tracker's method `name` is called the `at`-th time."""
    calls, whole = 0, getattr(Tracker, name)

    def broken(self: Tracker, *values: object) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise GoneError
        whole(self, *values)

    with monkeypatch.context() as patch:
        patch.setattr(Tracker, name, broken)
        patch.setattr(Tracker, "__exit__", lambda *_: None)
        with pytest.raises(GoneError):
            main([*arguments])


def pictures(folder: Path) -> Counter[str]:
    """Return how many jobs there are, and have each picture."""
    found = Counter("job" for _ in recorded(folder))
    for run in recorded(folder):
        artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
        found.update(path.name for path in (artifacts / "plots").glob("*.png"))
    return found


def test_pictures_come_where_only_they_were_missing(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut(monkeypatch, "_attach_plots", 1, "train", *JOBS)
    assert pictures(here) == {"job": 4}
    assert main(["resume"]) == 0
    assert pictures(here) == {"job": 4, "curves.png": 4}
    assert not (here / "runs" / "open").exists()
    capsys.readouterr()
    assert main(["resume"]) == 0
    assert "nothing to continue" in capsys.readouterr().out


def test_pictures_have_jobs_that_finished_before(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(monkeypatch, "_finished", 3, "train", *JOBS)
    drawn = []
    monkeypatch.setattr(
        "htmrun.tracking.pictures.plot_curves",
        lambda curves, *_: drawn.append(
            {arm: {s: len(p) for s, p in seeds.items()}
             for arm, seeds in curves["prequential/accuracy" if
             "prequential/accuracy" in curves else "recent/accuracy"].items()}
        ),
    )  # fmt: skip
    assert main(["resume"]) == 0
    assert main(["train", *JOBS]) == 0
    resumed, whole = drawn
    assert list(resumed) == list(whole) == ["online", "minibatch"]
    assert resumed == whole
    colours = [
        {(r.data.tags["htmrun.arm"], r.data.tags["mlflow.runColor"]) for r in recorded(here)
         if r.data.tags["htmrun.run"] == run}
        for run in {r.data.tags["htmrun.run"] for r in recorded(here)}
    ]  # fmt: skip
    assert colours[0] == colours[1], "an arm has its colour, whoever comes first"


def test_a_job_that_was_begun_again_and_again_is_there_once(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(monkeypatch, "_finished", 2, "train", *JOBS)
    for _ in range(2):
        # The new one stands there, the old one does not go any more.
        cut(monkeypatch, "_discard", 1, "resume")
    assert len(recorded(here)) == 4
    assert main(["resume"]) == 0
    found = recorded(here)
    assert {run.info.run_name: run.info.status for run in found} == {
        f"{arm}-s00{seed}": "FINISHED" for arm in ("online", "minibatch") for seed in (3, 5)
    }
    assert len(found) == 4


def test_what_was_held_and_never_told_goes_with_the_next_run(tmp_path: Path) -> None:
    with within(lambda: holding.hold(tmp_path, "early")) as kill, holding.hold(tmp_path, "mine"):
        holding.tell(tmp_path, "mine", {}, {})
        assert holding.held(tmp_path, "early"), "it lives"
        kill()
    half = folder_of(tmp_path, "mine") / ".run.json-123"
    half.write_text("{")
    with holding.hold(tmp_path, "mine"):
        assert not half.exists()
        assert not folder_of(tmp_path, "early").exists()
        assert holding.begun(tmp_path, "mine") is not None
