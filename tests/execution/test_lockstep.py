"""Jobs in step: requests that go together, pieces that are cut, jobs that fail or are stopped."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from htmrun.errors import StopRequestedError
from htmrun.execution.lockstep import Meeting, Request, serve
from htmrun.training.records import Failed, Finished, Job, Progress


class Adding:
    """A group of running sums: "run" answers with all sums on the way, "look" with the last."""

    def __init__(self, models: int) -> None:
        self.sums = [0] * models
        self.served: list[tuple[int, str, list[int]]] = []

    def serve(self, first: int, verb: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        self.served.append((first, verb, [len(values) for (values,) in calls]))
        answers = []
        for number, (values,) in enumerate(calls, first):
            sums = []
            for value in values:
                self.sums[number] += value
                sums.append(self.sums[number])
            answers.append(sums if verb == "run" else self.sums[number])
        return answers

    def cut(self, call: tuple[Any, ...], start: int, stop: int) -> tuple[Any, ...]:
        return (call[0][start:stop],)

    def joined(self, answers: Sequence[Any]) -> list[int]:
        return [value for answer in answers for value in answer]


def asked(group: Adding, number: int, values: list[int], place: int = 0, **more: Any) -> Request:
    verb = more.pop("verb", "run")
    stage = more.pop("stage", 0)
    return Request(group, number, stage, verb, (values,), (), len(values), place, **more)


def test_neighbours_go_together_and_longer_pieces_are_cut():
    group = Adding(4)
    short, long = asked(group, 0, [1, 2]), asked(group, 1, [1, 1, 1, 1, 1])
    apart = asked(group, 3, [5, 5])
    waiting = serve([apart, long, short])
    assert group.served == [(0, "run", [2, 2]), (3, "run", [2])]
    assert waiting == [long]
    assert (short.answers, apart.answers) == ([[1, 3]], [[5, 10]])
    follower = asked(group, 0, [3, 3, 3], place=2)
    assert serve([long, follower]) == []
    assert group.served[2:] == [(0, "run", [3, 3])]
    assert (long.answers, follower.answers) == ([[1, 2, 3, 4, 5]], [[6, 9, 12]])
    first, second = asked(group, 2, [1, 1, 1]), asked(group, 3, [1])
    assert serve([first, second]) == [first]


def test_who_looks_or_lies_back_is_served_first():
    group = Adding(4)
    ahead, back = asked(group, 0, [1], place=9), asked(group, 1, [1], place=3)
    later = asked(group, 2, [1], place=3, stage=1)
    look = asked(group, 3, [], place=20, verb="look")
    waiting = [ahead, back, later, look]
    order = []
    while waiting:
        before = waiting
        waiting = serve(waiting)
        order.append([r for r in before if r not in waiting])
    assert order == [[look], [back], [later], [ahead]]


def test_an_error_reaches_those_who_were_served_together_and_nobody_else():
    class Failing(Adding):
        def serve(self, first, verb, calls):
            if first == 0:
                raise MemoryError("full")
            return super().serve(first, verb, calls)

    group = Failing(4)
    requests = [asked(group, n, [1]) for n in (0, 1, 3)]
    assert serve(requests) == []
    assert [str(r.error) for r in requests] == ["full", "full", "None"]


def works(meeting: Meeting, group: Adding, jobs: Sequence[Job]):
    """Jobs of 40 samples: job number n asks for pieces of n + 1, and the last one breaks."""

    def work(number: int, job: Job):
        def records(stop):
            place, sums = 0, []
            while place < 40:
                values = list(range(place, min(place + number + 1, 40)))
                sums += meeting.ask(asked(group, number, values, place))
                place += len(values)
                yield Progress(job, place, 0, {"sum": float(sums[-1])}, 1.0)
                if number == len(jobs) - 1 and place > 20:
                    raise RuntimeError("broken on purpose")
            yield Finished(job, {"sum": float(sums[-1])}, "", 0.0)

        return records

    return {job: work(number, job) for number, job in enumerate(jobs)}


def guarded(job, work):
    try:
        yield from work(lambda: False)
    except StopRequestedError:
        raise
    except Exception as error:
        yield Failed(job, str(error))


def test_each_job_gets_what_it_gets_alone():
    group, jobs = Adding(5), [Job("a", seed) for seed in range(5)]
    meeting = Meeting()
    ended = [
        record
        for record in meeting.records(works(meeting, group, jobs), guarded)
        if isinstance(record, Finished | Failed)
    ]
    assert {r.job for r in ended} == set(jobs)
    assert [r.error for r in ended if isinstance(r, Failed)] == ["broken on purpose"]
    assert {r.metrics["sum"] for r in ended if isinstance(r, Finished)} == {float(sum(range(40)))}
    # In step: most launches hold all jobs that are left.
    assert sum(len(lengths) for _, _, lengths in group.served) > 2.5 * len(group.served)


@pytest.mark.parametrize("after", [0, 7])
def test_closing_ends_all_jobs(after):
    before = threading.active_count()
    group, jobs = Adding(4), [Job("a", seed) for seed in range(4)]
    meeting = Meeting()
    records = meeting.records(works(meeting, group, jobs), guarded)
    for _ in range(after):
        next(records)
    records.close()
    assert threading.active_count() == before
    if after:
        assert meeting.stopped()
        with pytest.raises(StopRequestedError):
            meeting.ask(asked(group, 0, [1]))
