"""Interruptions wait until what runs can stop, and not a moment longer than they must."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from htmrun.errors import StopRequestedError
from htmrun.execution.signals import deferred

LONG_S = 600.0


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = [
        signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.signal(signal.SIGTERM, leave),
    ]
    yield
    signal.signal(signal.SIGINT, before[0])
    signal.signal(signal.SIGTERM, before[1])


class Work:
    """Says numbers; a signal comes in the middle of the third."""

    def __init__(self, *numbers: int, after: Callable[[], Any] = lambda: None) -> None:
        self.signals, self.after = numbers, after
        self.kept: list[int] = []
        self.closed = False

    def __call__(self, stop: Callable[[], bool]) -> Generator[int, None, None]:
        try:
            for place in range(6):
                if stop():
                    self.kept.append(place)
                    raise StopRequestedError
                if place == 2:
                    for number in self.signals:
                        signal.raise_signal(number)
                    self.after()
                yield place
        finally:
            self.closed = True


def heard(work: Work, patience: float = LONG_S) -> tuple[list[int], BaseException | None]:
    found: list[int] = []
    try:
        for number in deferred(work, patience):
            found.append(number)
    except BaseException as error:
        return found, error
    return found, None


def test_without_a_signal_everything_is_said() -> None:
    assert heard(Work()) == ([0, 1, 2, 3, 4, 5], None)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_is_raised_at_the_next_place(number: int, error: type[BaseException]) -> None:
    work = Work(number)
    before = signal.getsignal(number)
    found, raised = heard(work)
    assert (found, work.closed) == ([0, 1, 2], True)
    assert isinstance(raised, error)
    assert signal.getsignal(number) is before


def test_what_runs_on_without_a_word_is_stopped_where_it_can() -> None:
    """It says nothing between the signal and the place where it stops."""

    def silent(stop: Callable[[], bool]) -> Generator[int, None, None]:
        yield 0
        signal.raise_signal(signal.SIGTERM)
        steps.append("on its way")
        if stop():
            steps.append("kept")
            raise StopRequestedError
        yield 1

    steps: list[str] = []
    with pytest.raises(SystemExit, match="143"):
        [*deferred(silent, LONG_S)]
    assert steps == ["on its way", "kept"]


def test_a_second_signal_does_not_wait() -> None:
    steps: list[str] = []
    work = Work(signal.SIGINT, signal.SIGINT, after=lambda: steps.append("went on"))
    found, raised = heard(work)
    assert (found, steps) == ([0, 1], [])
    assert isinstance(raised, KeyboardInterrupt)


def test_patience_ends() -> None:
    def endless() -> None:
        deadline = time.monotonic() + LONG_S
        while time.monotonic() < deadline:
            time.sleep(0.01)

    begun = time.monotonic()
    found, raised = heard(Work(signal.SIGINT, after=endless), patience=0.1)
    assert time.monotonic() - begun < LONG_S / 2
    assert found == [0, 1]
    assert isinstance(raised, KeyboardInterrupt)


def test_the_consumer_is_interrupted_as_ever() -> None:
    work = Work()
    running = deferred(work, LONG_S)
    assert next(running) == 0
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    running.close()
    assert work.closed
