"""What waits in an outbox: said, delivered once, and harmless whatever is in the file."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from htmrun.cli import main
from htmrun.tracking.outbox import Outbox, resend, waiting, waiting_line
from htmrun.tracking.provenance import START_TAG
from htmrun.training.records import Job
from tests.helpers.experiments import DIGITS, train
from tests.helpers.synthetic import POINTS, RUN, one_job, tracker
from tests.tracking.test_outbox import fail, run_that_fails_in_the_middle, stored
from tests.tracking.test_reproduce import Capsys, complaint, recorded


def of_a_dead_process(outbox: Path) -> None:
    header, *rest = outbox.read_text().splitlines(keepends=True)
    plain = json.loads(header)
    plain["process"][START_TAG] = "12345.00"
    outbox.write_text("".join([json.dumps(plain) + "\n", *rest]))


JUNK = {
    "empty": "", "cut": '{"uri": "sqli', "text": "hello\n", "list": "[1, 2]\n", "number": "7\n",
    "null": "null\n", "other": '{"a": 1}\n', "wrong": '{"uri": 1, "experiment": 2, "run": 3, '
    '"process": {}}\n', "process": '{"uri": "", "experiment": "", "run": "", "process": 4}\n',
}  # fmt: skip


@pytest.mark.parametrize("what", [*JUNK, "bytes", "folder"])
def test_a_damaged_file_stops_nothing_and_stays(runs: Path, what: str) -> None:
    path = runs / "outbox" / "junk.jsonl"
    path.parent.mkdir(parents=True)
    if what == "folder":
        path.mkdir()
    else:
        path.write_bytes(JUNK[what].encode() if what in JUNK else b"\xff\xfe\x00\n")
    (one,) = waiting(runs)
    assert one.problem.startswith(f"{path}: ")
    with tracker(runs) as made:
        for record in one_job(Job("online", 0)):
            made.handle(record)
    assert [line for line in made.notices if str(path) in line and "\n" not in line]
    assert stored(runs)["online-s000"].info.status == "FINISHED"
    assert path.exists()
    line = waiting_line(runs)
    assert line is not None
    assert line.startswith("records of junk.jsonl wait in ")


def test_a_damaged_record_is_named_with_its_line(runs: Path) -> None:
    run_that_fails_in_the_middle(runs)
    outbox = runs / "outbox" / f"{RUN}.jsonl"
    of_a_dead_process(outbox)
    lines = outbox.read_bytes().splitlines(keepends=True)
    outbox.write_bytes(b"".join([*lines[:3], b'{"do": "fly"}\n', *lines[3:]]))
    with tracker(runs, "another") as made:
        pass
    assert any(f"{outbox}:4: found no whole record" in line for line in made.notices)
    assert outbox.exists()


def test_a_record_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that fills up in the middle of a line."""
    box = Outbox(tmp_path, "r", uri="u", experiment="e", attempt="1")
    before = box.path.read_bytes()
    opened = Path.open

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def write(self, data: bytes) -> int:
            written: int = self.file.write(data[: len(data) // 2])
            return written

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda path, *a, **k: Full(opened(path, *a, **k)))
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            box._write({"do": "end", "job": "x" * 100})
    assert box.path.read_bytes() == before


def test_another_attempt_at_a_job_is_another_run_in_the_store(runs: Path) -> None:
    """The store goes away in both; each one's records go to its own, and once."""
    with tracker(runs) as first:
        first.handle(next(one_job(Job("online", 0))))
    with pytest.MonkeyPatch.context() as patch, tracker(runs) as second:
        for name in ("create_run", "log_batch", "log_artifact", "set_terminated"):
            patch.setattr(second._store.client, name, fail)
        patch.setattr("htmrun.tracking.outbox.open_client", fail)
        for record in one_job(Job("online", 0)):
            second.handle(record)
    for _ in range(2):
        text = (runs / "outbox" / f"{RUN}.jsonl").read_text()
        files = {p: p.read_bytes() for p in (runs / "outbox" / RUN).rglob("*") if p.is_file()}
        resend(runs / "outbox" / f"{RUN}.jsonl")
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (runs / "outbox" / f"{RUN}.jsonl").write_text(text)
    client = second._store.client
    every = client.search_runs([second._store.experiment])
    assert sorted(run.info.status for run in every) == ["FAILED", "FINISHED"]
    (done,) = (run for run in every if run.info.status == "FINISHED")
    assert len(client.get_metric_history(done.info.run_id, "train/accuracy")) == POINTS


@pytest.mark.parametrize("heard", [True, False])
def test_a_job_that_was_begun_twice_for_want_of_an_answer_stands_once(
    runs: Path, heard: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's client asks a server again that did what it was asked, but was not heard."""
    made = tracker(runs)
    client, create = made._store.client, made._store.client.create_run

    def twice(*arguments: Any, **named: Any) -> Any:
        create(*arguments, **named)
        found = create(*arguments, **named)
        return found if heard else fail()

    with monkeypatch.context() as patch, made:
        patch.setattr(client, "tracking_uri", "http://nowhere")
        patch.setattr(client, "create_run", twice)
        for record in one_job(Job("online", 0)):
            made.handle(record)
    (run,) = client.search_runs([made._store.experiment])
    assert run.info.status == "FINISHED"
    assert len(client.get_metric_history(run.info.run_id, "train/accuracy")) == POINTS


SMALL = (*DIGITS, "arms=[online]", "seeds=[1,2]", "workers=1")


def test_resume_delivers_first_and_runs_no_finished_job_again(
    here: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("htmrun.tracking.store.Store.apply", fail)
        patch.setattr("htmrun.tracking.outbox.open_client", fail)
        assert main(["train", *SMALL]) == 0
    said = capsys.readouterr()
    assert "htmrun sync delivers them" in said.out.splitlines()[-1]
    assert "recorded in" not in said.out, "it is not"
    (outbox,) = (here / "runs" / "outbox").glob("*.jsonl")
    of_a_dead_process(outbox)
    # Cut off before the second job ended, as by a kill.
    lines = outbox.read_text().splitlines(keepends=True)
    ends = [n for n, line in enumerate(lines) if '"do": "end"' in line]
    outbox.write_text("".join(lines[: ends[0] + 3]))

    assert main(["runs"]) == 0
    assert f"records of {outbox.stem} wait" in capsys.readouterr().err
    broken = outbox.read_text()
    outbox.write_text(broken + "nonsense\n")
    line = complaint(capsys, "resume", outbox.stem)
    assert "cannot be delivered" in line
    assert outbox.exists()
    outbox.write_text(broken)
    assert main(["resume", outbox.stem, "--json"]) == 0
    found = capsys.readouterr()
    assert "sent " in found.err + found.out
    summary = json.loads(found.out.splitlines()[-1])
    kept = {run.info.run_name: run for run in recorded(here)}
    assert len(recorded(here)) == len(kept) == 2
    attempts = {run.data.tags["htmrun.attempt"] for run in kept.values()}
    assert len(attempts) == 2, "the first job was not run again"
    assert not outbox.exists()
    whole, _ = train(capsys, *SMALL, "tracking=none")
    for figure in ("accuracy", "state_hash"):
        values = [each["arms"]["online"][figure]["values"] for each in (summary, whole)]
        assert values[0] == values[1]


def test_a_resume_that_ends_at_once_has_destroyed_nothing(
    here: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.tracking.test_reproduce import cut_short

    train(capsys, *SMALL)
    cut_short(here, "online-s002")
    before = {run.info.run_id: run.data.metrics for run in recorded(here)}
    for where in ("htmrun.cli.running.begin", "htmrun.tracking.recording.Tracker"):
        with monkeypatch.context() as patch:
            patch.setattr(where, lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
            assert main(["resume"]) == 130
        assert {run.info.run_id: run.data.metrics for run in recorded(here)} == before
    assert main(["resume"]) == 0
    assert {run.info.status for run in recorded(here)} == {"FINISHED"}
    assert len(recorded(here)) == 2


@pytest.mark.parametrize("command", ["runs", "compare"])
def test_what_waits_is_said_where_the_store_does_not_answer(
    runs: Path, capsys: Capsys, command: str
) -> None:
    run_that_fails_in_the_middle(runs)
    of_a_dead_process(runs / "outbox" / f"{RUN}.jsonl")
    assert main([command, "--dir", str(runs), "--uri", "http://127.0.0.1:1"]) == 2
    waits, error = capsys.readouterr().err.splitlines()
    assert f"records of {RUN} wait in {runs}/outbox" in waits
    assert "no MLflow server answers" in error


def test_sync_says_what_it_sent(runs: Path, capsys: Capsys) -> None:
    place = ("--dir", str(runs))
    assert main(["sync", *place]) == 0
    assert capsys.readouterr().out == f"nothing waits in {runs}/outbox\n"
    run_that_fails_in_the_middle(runs)
    of_a_dead_process(runs / "outbox" / f"{RUN}.jsonl")
    (runs / "outbox" / "junk.jsonl").write_text("x\n")
    assert main(["sync", *place]) == 1
    out = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[0] for line in out] == ["sent", "warning:"]
    assert {run.info.status for run in stored(runs).values()} == {"FINISHED"}


def test_lost_records_are_no_success(
    here: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "runs" / "outbox").write_text("a file where the folder should be")
    monkeypatch.setattr("htmrun.tracking.store.Store.apply", fail)
    assert main(["train", *SMALL, "seeds=[1]"]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].startswith("NOT ALL IS RECORDED")
    assert "recorded in" not in said.out
