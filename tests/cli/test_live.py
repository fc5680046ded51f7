"""What is seen of a run: on a terminal, in a log, when quiet, as JSON."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable

import pytest

from htmrun.cli.terminal.live import LiveView
from htmrun.cli.terminal.progress import Overview
from htmrun.training.records import Failed, Finished, Job, Progress, Record, Started

ONLINE = [Job("online", 0), Job("online", 1)]
CONTROL = Job("no_sp", 0, True)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def run_of(job: Job) -> list[Record]:
    steps = [
        Progress(job, sample, 0, {"train/accuracy": 0.1, "accuracy": sample / 1000}, 500.0)
        for sample in range(100, 1001, 100)
    ]
    final = {"accuracy": 0.95, "samples_per_s": 512.0}
    return [Started(job, 1000), *steps, Finished(job, final, "hash", 2.0)]


def watch(
    stdout: io.StringIO, jobs: Iterable[Job] = (*ONLINE, CONTROL), **settings: bool
) -> tuple[str, str]:
    """Return what a whole run with a failure, a notice and a result prints to stdout and stderr."""
    stderr = io.StringIO()
    results: dict[str, list[Finished]] = {}
    view = LiveView(jobs, metric="accuracy", stdout=stdout, stderr=stderr, **settings)
    with view:
        view.notice("preparing runs/mlflow.db ...")
        for job in jobs:
            for record in run_of(job):
                view.handle(record)
                if isinstance(record, Finished):
                    results.setdefault(job.arm, []).append(record)
        view.handle(Failed(Job("minibatch", 0), "out of memory [sp]"))
    view.result("RUN", "finished", results, ["accuracy"], ["see: htmrun dashboard"])
    return stdout.getvalue(), stderr.getvalue()


def test_plain_lines_have_no_control_codes_and_are_few() -> None:
    out, err = watch(io.StringIO())
    assert not [c for c in out + err if ord(c) < 32 and c != "\n"]
    lines = out.splitlines()
    assert lines[0] == "preparing runs/mlflow.db ..."
    finished = [line for line in lines if "finished in" in line]
    assert finished[0] == "online-s000 finished in 2 s, accuracy 0.9500, 512 samples/s"
    assert len(finished) == 3
    quarters = [line for line in lines if line.startswith("online: ")]
    assert [line.split(" %")[0] for line in quarters] == ["online: 25", "online: 50", "online: 75"]
    assert "2,000 samples" in quarters[0]
    assert "500 samples/s" in quarters[0]
    assert err == "minibatch-s000 failed: out of memory [sp]\n"
    assert lines[-1] == "see: htmrun dashboard"


def test_quiet_prints_the_final_table_only() -> None:
    out, err = watch(io.StringIO(), quiet=True)
    answer, _, table = out.partition("┏")
    assert answer.startswith("online reaches accuracy 0.9500.\n")
    assert answer.count("\n") == 2
    assert "no_sp" in table
    assert "finished in" not in out
    assert "preparing" in err
    assert "failed" in err


def test_json_prints_one_line_and_nothing_else() -> None:
    out, err = watch(io.StringIO(), json=True)
    assert out.count("\n") == 1
    summary = json.loads(out)
    assert summary["run"] == "RUN"
    assert summary["arms"]["no_sp"]["accuracy"]["values"] == [0.95]
    assert "see: htmrun dashboard" in err
    assert "preparing" in err


def test_terminal_has_one_bar_for_each_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "110")
    out, _ = watch(Terminal())
    drawn = out.partition("online reaches accuracy")[0]
    bars = drawn[drawn.rindex("online ") :]  # As they stood at the end.
    assert [line.split()[0] for line in bars.splitlines()[:3]] == ["online", "no_sp", "minibatch"]
    assert "━" in bars
    assert "100 %" in bars
    assert "2/2" in bars
    assert "accuracy 0.9500" in bars
    assert "finished in" not in out
    assert "1 failed" in bars


def test_bars_leave_no_line_behind_when_the_run_breaks_off() -> None:
    terminal = Terminal()
    view = LiveView(ONLINE, stdout=terminal, stderr=io.StringIO())

    def broken() -> None:
        with view:
            view.handle(Started(ONLINE[0], 10))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert terminal.getvalue().count("\x1b[?25h") == 1  # The cursor is shown again.


def test_nothing_is_printed_to_the_real_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    watch(io.StringIO())
    assert capsys.readouterr() == ("", "")
    assert sys.stdout is not None


def test_an_arm_is_measured_over_all_its_seeds() -> None:
    now = [100.0]
    overview = Overview(ONLINE, clock=lambda: now[0])
    arm = overview.update(Started(ONLINE[0], 1000))
    assert arm.eta(now[0]) is None
    now[0] = 102.0
    overview.update(Progress(ONLINE[0], 500, 0, {"accuracy": 0.5}, 250.0))
    assert (arm.total, arm.completed, arm.rate) == (2000, 500, 250.0)
    assert arm.eta(now[0]) == pytest.approx(6.0)  # 500 in 2 s, 1500 to go.
    overview.update(Started(ONLINE[1], 1000))
    overview.update(Progress(ONLINE[1], 100, 0, {}, 50.0))
    assert arm.rate == 300.0
    overview.update(Finished(ONLINE[0], {}, "hash", 4.0))
    assert (arm.completed, arm.rate) == (1100, 50.0)
    overview.update(Failed(ONLINE[1], "stopped"))
    assert arm.failed == {ONLINE[1]}
    assert arm.ended == set(ONLINE)


def test_unknown_length_has_no_percentage_and_no_eta() -> None:
    overview = Overview([ONLINE[0]])
    overview.update(Started(ONLINE[0], 0))
    arm = overview.update(Progress(ONLINE[0], 50, 0, {}, 10.0))
    assert (arm.total, arm.completed, arm.eta(1e9)) == (0, 50, None)
