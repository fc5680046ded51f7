"""Interruptions that Python would forget."""

from __future__ import annotations

import signal
import sys
import time
from typing import Any

import pytest

from htmrun import cli
from htmrun.execution.signals import interruptions_kept


class Disposed:
    """Something whose destructor is running when a signal arrives."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)
        time.sleep(0)


def dispose_and_wait(number: int = signal.SIGINT) -> None:
    Disposed(number)
    for _ in range(300):
        time.sleep(0.01)


@pytest.fixture
def python_raises_on_ctrl_c() -> Any:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("python_raises_on_ctrl_c")
def test_ctrl_c_in_a_destructor_comes_again(capsys: pytest.CaptureFixture[str]) -> None:
    hook = sys.unraisablehook
    with interruptions_kept() as lost:
        with pytest.raises(KeyboardInterrupt):
            dispose_and_wait()
        assert lost.any
    assert sys.unraisablehook is hook
    assert capsys.readouterr().err == ""


def test_termination_in_a_destructor_comes_again() -> None:
    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        with interruptions_kept(), pytest.raises(SystemExit, match="143"):
            dispose_and_wait(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_lost_errors_are_reported_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: seen.append(report.exc_type))

    class Broken:
        def __del__(self) -> None:
            raise OSError("on purpose")

    with interruptions_kept() as lost:
        Broken()
    assert seen == [OSError]
    assert not lost.any


@pytest.mark.usefixtures("python_raises_on_ctrl_c")
def test_what_an_interruption_breaks_is_an_interruption(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**_: object) -> None:
        Disposed(signal.SIGINT)
        raise RuntimeError("no compiled object yet")

    monkeypatch.setattr(cli, "app", broken)
    assert cli.main([]) == 130
    assert capsys.readouterr().err == ""
