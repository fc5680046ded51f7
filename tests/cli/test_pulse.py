"""Whoever waits sees that work goes on: a line at least every ten seconds, in a log too."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from htmrun.cli.terminal import pulse
from htmrun.cli.terminal.live import LiveView
from htmrun.cli.terminal.pulse import Pulse
from htmrun.training.records import Job, Progress, Started

JOB = Job("online", 0)


class Clock:
    """A clock that stands still until it is moved; a line is stamped with its time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.said: list[tuple[float, str]] = []

    def __call__(self) -> float:
        return self.now

    def say(self, line: str) -> None:
        self.said.append((self.now, line))

    def pass_time(
        self, seconds: float, made: Pulse, each: Callable[[], None] = lambda: None
    ) -> None:
        """Let time pass in the steps in which the thread looks, and do something after each."""
        end = self.now + seconds
        while self.now < end:
            self.now += pulse._LOOK_S
            made.beat()
            each()


def test_something_is_said_within_three_seconds_and_every_ten() -> None:
    clock = Clock()
    made = Pulse(clock.say, clock)
    made.doing("reading the data")
    clock.pass_time(60, made)
    times = [0.0, *(at for at, _ in clock.said), 60.0]
    assert times[1] <= 3
    assert max(b - a for a, b in pairwise(times)) <= 10
    assert clock.said[0][1] == "reading the data (2 s)"


def test_nothing_is_added_where_others_say_enough() -> None:
    clock = Clock()
    made = Pulse(clock.say, clock)
    made.doing("reading the data")
    made.heard()
    clock.pass_time(60, made, made.heard)
    made.doing("")
    clock.pass_time(60, made)
    assert clock.said == []


def test_a_log_tells_how_far_the_arms_are() -> None:
    clock, log = Clock(), io.StringIO()
    made = Pulse(None, clock)
    view = LiveView([JOB], metric="accuracy", stdout=log, said=made.heard)
    made.say = view.notice
    made.doing(lambda: view.far or "starting the jobs")
    clock.pass_time(9, made)
    view.handle(Started(JOB, 1000))
    view.handle(Progress(JOB, 70, 0, {"accuracy": 0.5}, 9.0))
    clock.pass_time(9, made)
    assert log.getvalue().splitlines() == [
        "starting the jobs (2 s)",
        "online 7 % of 1,000 samples (10 s)",
    ]


def test_the_thread_speaks_and_ends_with_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "_LOOK_S", 0.01)
    monkeypatch.setattr(pulse, "FIRST_S", 0.02)
    said: list[str] = []
    with Pulse(said.append) as made:
        made.doing("compiling")
        deadline = time.monotonic() + 10
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)
    assert said
    assert made._thread is not None
    assert not made._thread.is_alive()


def test_an_output_that_is_gone_stops_no_work(capsys: pytest.CaptureFixture[str]) -> None:
    def gone(_: str) -> None:
        raise BrokenPipeError

    with Pulse(gone) as made:
        made._wait = 0.0
        made.doing("compiling")
        time.sleep(2 * pulse._LOOK_S)
    assert "Traceback" not in capsys.readouterr().err


def test_a_quiet_command_has_no_thread() -> None:
    with Pulse(None) as made:
        made.doing("compiling")
        assert made._thread is None
