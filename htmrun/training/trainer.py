"""One arm with one seed: samples in, records out.

A trainer is a generator of records; it knows neither a terminal nor a tracking server. It knows
no measure either: it calls them all, in their order, at these places::

    begin
    for each epoch, for each piece of a chunk:      pieces end where a measure or a look wants it
        the pipeline predicts, learns and commits
        chunk                                       all measures, with what was predicted
        look                                        at points of the curves and at evaluations
        the checkpoint is written, if it is time
    finish                                          metrics and arrays; the job is over
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from htmrun.backends.plan import Flags, Plan
from htmrun.backends.state import State, state_hash
from htmrun.components.sources import Chunk
from htmrun.errors import StopRequestedError, UserError
from htmrun.training.checkpoints import Keeper, TrainerState
from htmrun.training.measures.measure import Due, Metrics, Run
from htmrun.training.measures.registry import measures
from htmrun.training.records import Finished, Progress, Record, Started
from htmrun.training.schedule import Cursor, points

CHUNK = 1024

Within = tuple[Cursor, Flags, Flags]
"""The cursor at the beginning of a chunk, resets and ends of epochs up to a sample inside."""


class Trainer:
    """Trains one pipeline under one schedule."""

    def __init__(
        self, run: Run, *, stop: Callable[[], bool] = lambda: False, keeper: Keeper | None = None
    ) -> None:
        """`stop` is asked between chunks.

        With `keeper` it goes on where the same job was cut short, and keeps how far it is.
        """
        self.run = run
        run.measures = tuple(kind() for kind in measures())
        self._stop, self._keeper = stop, keeper
        self._cursor, self._epoch, self._passed = Cursor(), 0, 0
        self._within: Within | None = None
        self._last: dict[str, np.ndarray] = {}
        self._begun = self._earlier_s = 0.0
        every = run.samples if run.passes > 1 else None
        self._curve = points(run.total, run.course.curve_points, every)[1:]
        looks = run.course.evaluate_every or run.samples
        self._looks = list(range(looks, run.total, looks))

    def records(self) -> Iterator[Record]:
        """Train to the end; raises StopRequestedError when asked to stop.

        With a keeper, what was learned until then is kept, also where the generator is closed.
        """
        self._begun = time.perf_counter()
        for measure in self.run.measures:
            measure.begin(self.run)
        self._cuts = [c for measure in self.run.measures for c in measure.cuts()]
        try:
            yield from self._records()
        except (StopRequestedError, GeneratorExit):
            # Between two pieces, so that all that is kept is of the same sample.
            self._keep()
            raise

    def _records(self) -> Iterator[Record]:
        run = self.run
        if self._keeper is not None and (kept := self._keeper.read()) is not None:
            try:
                self.load(kept)
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"{self._keeper.path}: found a checkpoint that does not fit its job ({error}), "
                    "expected one of the same code; without the file it starts from its beginning"
                ) from error
        yield Started(run.job, run.total, run.sample)
        yield from run.told
        for epoch in range(self._epoch, run.course.epochs):
            whole = run.source.train(run.job.seed, epoch, CHUNK)
            for chunk, last in _with_last(_after(whole, self._passed)):
                for piece, plan, within in self._pieces(chunk, last):
                    if self._stop():
                        raise StopRequestedError
                    self._train(piece, plan)
                    self._within = within
                    yield from self._look(epoch)
                    if self._keeper is not None and self._keeper.due():
                        self._keep()
            self._epoch, self._passed = epoch + 1, 0
        self._keeper = None
        yield self._finish()

    def state(self) -> TrainerState:
        """Return all that the rest of this job depends on."""
        run = self.run
        # The cursor after the last sample; `_cursor` is at the end of its chunk.
        within = self._within
        cursor = self._cursor if within is None else run.schedule.plan(*within)[1]
        return TrainerState(
            run.sample, run.commits, self._epoch, self._passed, cursor, run.train_seconds,
            self._seconds(), tuple(run.told), run.pipeline.state(),
            {type(m).__name__: m.state() for m in run.measures},
        )  # fmt: skip

    def load(self, kept: TrainerState) -> None:
        """Go on from what `state` returned of the same job."""
        run = self.run
        run.pipeline.load(kept.pipeline)
        for measure in run.measures:
            measure.load(kept.measures[type(measure).__name__])
        run.sample, run.commits, run.train_seconds = kept.sample, kept.commits, kept.train_seconds
        run.told = list(kept.told)
        self._epoch, self._passed, self._cursor = kept.epoch, kept.passed, kept.cursor
        self._earlier_s = kept.seconds

    def _keep(self) -> None:
        """Write down how far it is, once there is anything."""
        if self._keeper is not None and self.run.sample:
            self._keeper.write(self.state())

    def _seconds(self) -> float:
        return self._earlier_s + time.perf_counter() - self._begun

    def _pieces(self, chunk: Chunk, last: bool) -> Iterator[tuple[Chunk, Plan, Within]]:
        """Cut a chunk at curve points, evaluations, and at the next commit while one is awaited.

        With each piece comes what tells where its windows stand once it is learned.
        """
        run, before, ends = self.run, self._cursor, self._epoch_ends(len(chunk), last)
        plan, self._cursor = run.schedule.plan(before, chunk.reset, ends)
        self._within = (before, chunk.reset[:0], ends[:0])
        start = 0
        while start < len(plan):
            stop = len(plan)
            for places in (self._curve, self._looks, self._cuts):
                ahead = next((p for p in places if p > run.sample), None)
                if ahead is not None:
                    stop = min(stop, start + ahead - run.sample)
            if any(measure.awaits_commit for measure in run.measures):
                commits = np.flatnonzero(plan.commit[start:stop])
                stop = start + int(commits[0]) + 1 if len(commits) else stop
            within = (before, chunk.reset[:stop], ends[:stop])
            yield chunk.slice(start, stop), plan.slice(start, stop), within
            start = stop

    def _train(self, chunk: Chunk, plan: Plan) -> None:
        run, begun = self.run, time.perf_counter()
        outcome = run.pipeline.run(chunk, plan)
        run.train_seconds += time.perf_counter() - begun
        run.sample += len(plan)
        run.commits += int(plan.commit.sum())
        self._passed += len(plan)
        if run.course.hand_over:
            self._last = {n: a[-1:].copy() for n, a in chunk.fields.items() if a.ndim == 1}
        for measure in run.measures:
            measure.chunk(run, chunk, plan, outcome)

    def _look(self, epoch: int) -> Iterator[Progress]:
        run = self.run
        due = Due(run.sample in self._curve, run.sample in self._looks)
        if not any(due):
            return
        found: Metrics = {}
        for measure in run.measures:
            found |= measure.look(run, due)
        if found:
            run.told.append(Progress(run.job, run.sample, epoch, found, run.rate))
            yield run.told[-1]

    def _finish(self) -> Finished:
        run = self.run
        metrics: Metrics = {}
        series = self._curves()
        notes: dict[str, None] = {}
        after: dict[str, State] = {"last": self._last}
        if run.source.carried:
            after["derived"] = dict(run.source.carried)
        forecasts: dict[str, np.ndarray] = {}
        for measure in run.measures:
            found = measure.finish(run)
            metrics |= found.metrics
            series |= found.series
            notes |= dict.fromkeys(found.notes)
            after |= found.after
            forecasts |= found.forecasts
        learned, after = (dict(run.state), after) if run.course.hand_over else ({}, {})
        return Finished(
            run.job, metrics, state_hash(run.state), self._seconds(), series, learned,
            tuple(notes), after, forecasts,
        )  # fmt: skip

    def _curves(self) -> dict[str, np.ndarray]:
        """Return one array for each metric, NaN where only others were taken: all fit `sample`."""
        told = [{"sample": float(told.sample), **told.metrics} for told in self.run.told]
        names = dict.fromkeys(name for point in told for name in point)
        return {f"curve/{n}": np.array([p.get(n, np.nan) for p in told]) for n in names}

    def _epoch_ends(self, samples: int, last: bool) -> np.ndarray:
        """Flag the samples after which an epoch ends.

        The last of all, the last of a pass over a task, and every epoch_length.
        """
        run, ends = self.run, np.zeros(samples, np.uint8)
        if run.course.epoch_length is not None:
            number = run.sample % run.samples + 1 + np.arange(samples)
            ends[number % run.course.epoch_length == 0] = 1
        if run.source.pass_ends:
            number = run.sample % run.samples + 1 + np.arange(samples)
            ends[np.isin(number, run.source.pass_ends)] = 1
        if last:
            ends[-1] = 1
        return ends


def _after(chunks: Iterator[Chunk], samples: int) -> Iterator[Chunk]:
    """Yield what comes after the first `samples` of them."""
    for chunk in chunks:
        yield chunk.slice(min(samples, len(chunk)), len(chunk))
        samples = max(0, samples - len(chunk))


def _with_last(chunks: Iterator[Chunk]) -> Iterator[tuple[Chunk, bool]]:
    """Yield each chunk with True for the last one."""
    previous: Chunk | None = None
    for chunk in chunks:
        if len(chunk) == 0:
            continue
        if previous is not None:
            yield previous, False
        previous = chunk
    if previous is not None:
        yield previous, True
