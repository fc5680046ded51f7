"""A head that is not ready is asked again; what cannot change is said at once."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from htmrun.errors import UserError
from htmrun.execution import ray_connection

ADDRESS = "ray://head:1"
PASSING = (
    "Request can't be sent because the Ray client has already been disconnected due to an error. "
    "Last exception: <_InactiveRpcError of RPC that terminated with:\n\tstatus = "
    "StatusCode.NOT_FOUND\n>",
    "Starting Ray client server failed. See ray_client_server_23000.err",
    "ray client connection timeout",
)


class Head:
    """Answers each attempt with what comes next in a list; an exception is raised."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers, self.left = [*answers], 0

    def init(self, address: str, **_: object) -> None:
        assert address == ADDRESS
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer

    def shutdown(self) -> None:
        self.left += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Time passes only where someone sleeps."""
    now = SimpleNamespace(at=0.0)

    def sleep(seconds: float) -> None:
        now.at += seconds

    fake = SimpleNamespace(monotonic=lambda: now.at, sleep=sleep)
    monkeypatch.setattr(ray_connection, "time", fake)
    monkeypatch.setattr(ray_connection, "_must_answer", lambda _: None)
    return now


def test_a_head_that_is_not_ready_is_asked_again(
    clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, said = Head(*map(ConnectionError, PASSING), None), list[str]()
    monkeypatch.setitem(sys.modules, "ray", head)
    assert ray_connection.connect(ADDRESS, 30.0, said.append) is head
    assert said == [f"{ADDRESS} answers but is not ready yet; it is asked again"] * 3
    assert head.left == 3, "every attempt that failed was cleared away"


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("error", "wait_s", "attempts"),
    [
        (RuntimeError("Version mismatch: The cluster was started with Ray 2.1"), 30.0, 1),
        (ConnectionError(PASSING[0]), 5.0, 7),
    ],
)
def test_what_does_not_pass_is_one_line(
    error: Exception, wait_s: float, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = Head(*[error] * 100)
    monkeypatch.setitem(sys.modules, "ray", head)
    with pytest.raises(UserError) as found:
        ray_connection.connect(ADDRESS, wait_s, lambda _: None)
    text = str(found.value)
    assert text.startswith(f"--on: cannot use {ADDRESS}: ")
    assert "\n" not in text
    assert 100 - len(head.answers) == attempts
