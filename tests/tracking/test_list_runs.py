"""`htmrun runs` and `htmrun clean` on a store with runs of every kind."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path

import pytest

from htmrun.cli import main
from htmrun.errors import UserError
from htmrun.tracking.list_runs import condition, moment, remove
from htmrun.tracking.provenance import PID_TAG
from htmrun.tracking.store import all_runs, open_existing
from htmrun.training.records import Failed, Finished, Job, Started
from tests.helpers.synthetic import Tracker, tracker

GOOD, BAD, GOING, DEAD = (
    f"2026112{i}-000000-{name}-000{i}" for i, name in enumerate(("a", "b", "c", "d"))
)
TAGS = {"htmrun.task": "classification", "htmrun.overrides": "experiment=digits"}


def run_of(directory: Path, name: str, experiment: str, accuracy: float) -> Tracker:
    made = tracker(directory, name, experiment=experiment, tags=TAGS)
    for arm in ("online", "minibatch"):
        for seed in range(2):
            figures = {"accuracy": accuracy + 0.01 * seed, "churn": 0.1}
            made.handle(Finished(Job(arm, seed), figures, "h", 1.0))
        accuracy -= 0.2
    return made


@pytest.fixture
def store(runs: Path) -> Path:
    """Four runs: finished, failed, still running (this process), and one whose process is gone."""
    run_of(runs, GOOD, "digits", 0.9).finish("finished")
    failed = run_of(runs, BAD, "other", 0.5)
    failed.handle(Failed(Job("online", 7), "broke"))
    failed.finish("failed")
    for name in (DEAD, GOING):
        made = tracker(runs, name, experiment="digits", tags=TAGS)
        made.handle(Started(Job("online", 0), 10))
    client = open_existing(None, runs)[1]
    for job in all_runs(client, ["1", "2"], f"tags.`htmrun.run` = '{DEAD}'"):
        client.set_tag(job.info.run_id, PID_TAG, "999999999")
    return runs


def names(capsys: pytest.CaptureFixture[str], store: Path, *words: str) -> list[str]:
    assert main(["runs", "--dir", str(store), "--format", "json", *words]) == 0
    return [one["run"] for one in json.loads(capsys.readouterr().out)]


def test_filters(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert set(names(capsys, store)) == {GOOD, BAD, GOING, DEAD}
    for words, expected in (
        (("--experiment", "other"), [BAD]),
        (("--status", "running"), [GOING]),
        (("--status", "killed"), [DEAD]),
        (("--status", "failed"), [BAD]),
        (("--arm", "minibatch", "--status", "finished"), [GOOD]),
        (("--where", "accuracy>0.9"), [GOOD]),
        # minibatch is .2 lower: it alone does not reach that.
        (("--where", "accuracy > 0.9", "--arm", "minibatch"), []),
        (("--where", "accuracy<=0.51", "--where", "churn=0.1"), [BAD]),
        (("--tag", "seed=7"), [BAD]),
        (("--since", "1h", "--status", "failed"), [BAD]),
        (("--before", "1h"), []),
        (("--since", "2126-01-01"), []),
    ):
        assert names(capsys, store, *words) == expected, words
    assert len(names(capsys, store, "--limit", "2")) == 2


def test_what_is_listed(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["runs", "--dir", str(store), "--status", "failed", "--format", "json"]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert (found["jobs"], found["finished"], found["seeds"]) == (5, 4, 3)
    assert found["figures"] == pytest.approx({"online": 0.505, "minibatch": 0.305})
    assert abs(time.time() - moment(found["begun"], "", 0)) < 600
    assert main(["runs", "--dir", str(store)]) == 0
    table = capsys.readouterr().out
    assert "accuracy: online 0.9050, minibatch 0.7050" in table
    assert "4/5" in table
    assert main(["runs", "--dir", str(store), "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["run"]: row["status"] for row in rows}[DEAD] == "killed"
    assert main(["runs", "--dir", str(store), "--before", "2000-01-01"]) == 0
    assert capsys.readouterr().out == "no run matches\n"


def test_cleaning_says_first_and_removes_on_request_only(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifacts = store / "artifacts"
    before = sorted(artifacts.rglob("*"))
    capsys.readouterr()
    assert main(["clean", "--dir", str(store), "--since", "1h"]) == 0
    said = capsys.readouterr()
    assert all(name in said.out for name in (GOOD, BAD, DEAD))
    assert GOING not in said.out
    assert f"{GOING}: still running, stays" in said.err
    assert "would remove 3 runs" in said.out
    assert "--delete removes it" in said.out
    assert sorted(artifacts.rglob("*")) == before
    assert len(names(capsys, store)) == 4

    for name in (BAD, GOOD):
        (store / "checkpoints" / name).mkdir(parents=True)
    assert main(["clean", "--dir", str(store), "--status", "failed", "--delete"]) == 0
    assert [path.name for path in (store / "checkpoints").iterdir()] == [GOOD]
    assert "removing 1 run," in capsys.readouterr().out
    assert set(names(capsys, store)) == {GOOD, GOING, DEAD}
    left = sorted(artifacts.rglob("*"))
    assert [path for path in left if "other" in path.parts and path.is_file()] == []
    assert [p for p in left if "digits" in p.parts] == [p for p in before if "digits" in p.parts]
    assert main(["clean", GOING, "--dir", str(store), "--delete"]) == 0
    assert "nothing to remove" in capsys.readouterr().out
    assert set(names(capsys, store)) == {GOOD, GOING, DEAD}
    assert main(["clean", GOOD, DEAD, "--dir", str(store), "--delete"]) == 0
    capsys.readouterr()
    assert names(capsys, store) == [GOING]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["clean"], "RUN: found none and no filter, expected runs to remove"),
        (["clean", "nosuch"], "run: no experiment run begins with 'nosuch'"),
        (["runs", "--status", "finishd"], "--status: found 'finishd', .*mean 'finished'"),
        (["runs", "--where", "accuracy~1"], "--where: found 'accuracy~1', expected FIGURE"),
        (["runs", "--where", "accuracy>high"], "--where: found 'accuracy>high'"),
        (["runs", "--since", "yesterday"], "--since: found 'yesterday', expected a date"),
        (["runs", "--tag", "x"], "--tag: found 'x', expected KEY=VALUE"),
        (["runs", "--experiment", "digts"], "--experiment: found 'digts', .*mean 'digits'"),
        (["runs", "--format", "jsn"], "format: found 'jsn', .*mean 'json'"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    capsys.readouterr()
    assert main([*words, "--dir", str(store)]) == 2
    said = capsys.readouterr()
    assert re.search(message, said.err), said.err
    assert len(said.err.splitlines()) == 1
    assert said.out == ""


def test_conditions_and_moments() -> None:
    assert condition("tm/predicted >= .5") == ("tm/predicted", ">=", 0.5)
    assert condition("rmse_1<7") == ("rmse_1", "<", 7.0)
    assert moment("2h", "--since", 10_000.0) == 2_800.0
    assert moment("1970-01-02T00:00+00:00", "--since", 0.0) == 86_400.0
    for text in ("3", "3y", "-1d", ""):
        with pytest.raises(UserError, match="--before: found"):
            moment(text, "--before", 0.0)


def test_only_a_job_s_own_folder_is_deleted(store: Path) -> None:
    """An artifact URI that is not a folder named like the job is left alone."""
    client = open_existing(None, store)[1]

    class Odd:
        class info:  # noqa: N801
            run_id = "1234"
            artifact_uri = (store / "artifacts").as_uri()

    removed: list[str] = []

    class Client:
        def delete_run(self, run_id: str) -> None:
            removed.append(run_id)

    remove(Client(), [Odd()])
    assert removed == ["1234"]
    assert (store / "artifacts").is_dir()
    assert client is not None
