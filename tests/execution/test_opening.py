"""A run is opened in one way, and a session gives what it says to whatever takes records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from htmrun.config.compose import load
from htmrun.config.schema import Experiment
from htmrun.errors import UserError
from htmrun.execution.jobs import Builder, jobs_of
from htmrun.execution.lockstep import Work
from htmrun.execution.opening import open_run
from htmrun.execution.ray_jobs import NodeMaker
from htmrun.execution.session import Earlier, Sink, begin
from htmrun.training.records import Failed, Finished, Job, Record, Started

SMALL = (
    "experiment=digits", "sp.columns=64", "epoch_length=60", "epochs=1", "curve_points=2",
    "arms=[online,no_sp]", "seeds=[3,5]", "tracking=none", "workers=1", "device=reference",
)  # fmt: skip


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return load([*SMALL]).experiment


class Listening:
    """A sink, and the context that opens and closes it."""

    def __init__(self, breaks_at: int | None = None) -> None:
        self.records: list[Record] = []
        self.steps: list[str] = []
        self.breaks_at = breaks_at

    def handle(self, record: Record) -> None:
        self.records.append(record)
        if len(self.records) == self.breaks_at:
            raise KeyboardInterrupt

    @contextmanager
    def opened(self) -> Iterator[list[Sink]]:
        self.steps.append("opened")
        try:
            yield [self]
        finally:
            self.steps.append("closed")


def test_a_session_tells_its_sinks_everything(experiment: Experiment) -> None:
    session, sink, lines = begin(experiment), Listening(), list[str]()
    session.play(sink.opened(), lines.append)
    assert sink.steps == ["opened", "closed"]
    ended = [r for r in sink.records if isinstance(r, Finished)]
    assert [r.job for r in sink.records if isinstance(r, Started)] == jobs_of(experiment)
    assert [r.job for r in ended] == jobs_of(experiment)
    assert session.results == {
        arm: [r for r in ended if r.job.arm == arm] for arm in ("online", "no_sp")
    }
    assert (session.status, session.failed, lines) == ("finished", [], [])
    assert session.run_id.split("-")[2] == "digits"


def test_what_ended_earlier_is_kept_and_not_run_again(experiment: Experiment) -> None:
    done = Finished(Job("online", 3), {"accuracy": 0.5}, "hash", 1.0)
    session, sink = begin(experiment, earlier=Earlier("an-id", [done])), Listening()
    session.play(sink.opened(), lambda _: None)
    assert session.run_id == "an-id"
    assert {r.job for r in sink.records} == set(jobs_of(experiment)) - {done.job}
    assert session.results["online"][0] is done
    assert [len(found) for found in session.results.values()] == [2, 2]


def test_jobs_end_before_sinks_are_closed(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, sink, work = begin(experiment), Listening(breaks_at=1), Builder.work

    def ended(self: Builder, job: Job) -> Work:
        def records(stop: Callable[[], bool]) -> Iterator[Record]:
            try:
                yield from work(self, job)(stop)
            finally:
                sink.steps.append("ended")

        return records

    monkeypatch.setattr(Builder, "work", ended)
    with pytest.raises(KeyboardInterrupt):
        session.play(sink.opened(), lambda _: None)
    assert sink.steps == ["opened", "ended", "closed"]
    assert session.results == {"online": [], "no_sp": []}


def test_sinks_stay_closed_where_jobs_cannot_run(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Builder) -> None:
        raise UserError("on purpose")

    monkeypatch.setattr(Builder, "prepare", refuse)
    sink = Listening()
    with pytest.raises(UserError, match="on purpose"):
        begin(experiment).play(sink.opened(), lambda _: None)
    assert sink.steps == []


def test_a_node_opens_the_run_with_the_threads_that_are_recorded(experiment: Experiment) -> None:
    sent = open_run(experiment, threads=3).builder
    maker = NodeMaker(sent, sent.source.fingerprint)
    maker.prepare()
    assert maker._here is not None
    assert maker._here.builder.threads == 3
    (job, *_) = jobs_of(experiment)
    records = [*maker.work(job)(lambda: False)]
    assert not any(isinstance(record, Failed) for record in records)
    assert {record.job for record in records} == {job}


def test_a_node_with_other_data_is_refused(experiment: Experiment) -> None:
    sent = open_run(experiment).builder
    with pytest.raises(UserError) as error:
        NodeMaker(sent, "0123456789abcdef").prepare()
    assert str(error.value) == (
        f"data: {sent.source.name} on this node has the hash {sent.source.fingerprint[:12]}, "
        "expected 0123456789ab as where it was started"
    )
