"""Many jobs in step: each in a thread of its own, and what they ask of models served together.

A job is written as if it were alone. When all jobs wait for an answer, the requests that lie
furthest back in their streams are served, those to the same group of models in one go. A
request for a longer piece of a stream than its neighbours' is served in parts: how a stream is
cut shows in no result (`htmrun.backends`), so each job gets what it would get alone.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Protocol, TypeVar

from htmrun.errors import StopRequestedError
from htmrun.training.records import Job, Record

Work = Callable[[Callable[[], bool]], Iterator[Record]]
K = TypeVar("K")


class Group(Protocol):
    """Models of equal shape that can be asked together, numbered from 0."""

    def serve(self, first: int, verb: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Ask the models from number `first` on, one call each; return their answers."""
        ...

    def cut(self, call: tuple[Any, ...], start: int, stop: int) -> tuple[Any, ...]:
        """Return the part of a call of "run" for samples start..stop."""
        ...

    def joined(self, answers: Sequence[Any]) -> Any:
        """Return the answers to the parts of one call as the answer to the whole."""
        ...


@dataclass
class Request:
    """One job's question to one model: `verb` "run" goes on in a stream, others look.

    `alike` is what calls must have in common to be served in one go; `length` and `place` are
    samples: of this call, and served to this model before it.
    """

    group: Group
    number: int
    stage: int
    verb: str
    call: tuple[Any, ...]
    alike: tuple[Any, ...]
    length: int = 0
    place: int = 0
    answers: list[Any] = field(default_factory=list)
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)


class Meeting:
    """Runs jobs in threads and serves their requests in the calling thread."""

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[tuple[Any, Record] | Request | None] = queue.SimpleQueue()
        self._stopped = False

    def ask(self, request: Request) -> Any:
        """Return the answer to `request`; called in a job's thread."""
        if self._stopped:
            raise StopRequestedError
        self._inbox.put(request)
        request.done.wait()
        if request.error is not None:
            raise request.error
        return request.answers[0]

    def records(
        self, works: Mapping[Job, Work], guarded: Callable[[Job, Work], Iterator[Record]]
    ) -> Generator[Record, None, None]:
        """Run all works side by side and yield their records; `guarded` turns errors into them."""
        with closing(self.news(works, guarded)) as found:
            for news in found:
                if news is not None:
                    yield news[1]

    def news(
        self, works: Mapping[K, Work], guarded: Callable[[K, Work], Iterator[Record]]
    ) -> Generator[tuple[K, Record] | None, None, None]:
        """Run all works side by side and yield each record with the key of its work.

        None whenever requests were served: whoever waits can look up.
        """

        def run(key: K, work: Work) -> None:
            try:
                for record in guarded(key, work):
                    self._inbox.put((key, record))
            except StopRequestedError:
                pass
            finally:
                self._inbox.put(None)

        threads = [threading.Thread(target=run, args=item, daemon=True) for item in works.items()]
        running, waiting = len(threads), list[Request]()
        try:
            for thread in threads:
                thread.start()
            while running:
                message = self._inbox.get()
                if message is None:
                    running -= 1
                elif isinstance(message, Request):
                    waiting.append(message)
                else:
                    yield message
                if waiting and len(waiting) == running:
                    waiting = serve(waiting)
                    yield None
        finally:
            self._stop(threads, waiting)

    def stopped(self) -> bool:
        """Return whether jobs are to end."""
        return self._stopped

    def _stop(self, threads: Sequence[threading.Thread], waiting: list[Request]) -> None:
        self._stopped = True
        while any(thread.is_alive() for thread in threads):
            for request in waiting:
                request.error = StopRequestedError()
                request.done.set()
            try:
                message = self._inbox.get(timeout=0.05)
            except queue.Empty:
                message = None
            waiting = [message] if isinstance(message, Request) else []


def serve(waiting: Sequence[Request]) -> list[Request]:
    """Serve the requests that come first; return those that still wait.

    Looks come before steps: whoever looks falls behind, and is to catch up. Of the steps, those
    furthest back in their streams, and of these the earliest stage.
    """
    looks = [r for r in waiting if r.verb != "run"]
    now = looks or _furthest_back(waiting)
    for batch in _batches(now):
        _serve_batch(batch)
    return [r for r in waiting if not r.done.is_set()]


def _furthest_back(waiting: Sequence[Request]) -> list[Request]:
    place = min((r.place, r.stage) for r in waiting)
    return [r for r in waiting if (r.place, r.stage) == place]


def _batches(requests: Sequence[Request]) -> Iterator[list[Request]]:
    """Yield requests of the same kind to neighbouring models of a group."""
    kinds: dict[tuple[Any, ...], list[Request]] = {}
    for r in requests:
        # A look at several samples cannot be cut: a memory goes on from one to the next.
        length = 0 if r.verb == "run" else r.length
        kinds.setdefault((id(r.group), r.verb, r.alike, length), []).append(r)
    for kind in kinds.values():
        ordered = sorted(kind, key=lambda r: r.number)
        for _, run in groupby(enumerate(ordered), lambda pair: pair[1].number - pair[0]):
            yield [r for _, r in run]


def _serve_batch(batch: Sequence[Request]) -> None:
    group, first, verb = batch[0].group, batch[0].number, batch[0].verb
    length = min(r.length for r in batch)
    try:
        calls = [r.call if r.length == length else group.cut(r.call, 0, length) for r in batch]
        answers = group.serve(first, verb, calls)
        for request, answer in zip(batch, answers, strict=True):
            request.answers.append(answer)
            if request.length > length:
                request.call = group.cut(request.call, length, request.length)
                request.length -= length
                request.place += length
                continue
            if len(request.answers) > 1:
                request.answers = [group.joined(request.answers)]
            request.done.set()
    except Exception as error:
        for request in batch:
            request.error = error
            request.done.set()
