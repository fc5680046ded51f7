"""One arm with one seed: samples in, records out.

A trainer is a generator of records; it knows neither a terminal nor a tracking server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from htmrun.backends import State
from htmrun.backends.plan import Flags, Plan
from htmrun.components.networks.readout import NetworkReadout
from htmrun.components.pipeline import Pipeline
from htmrun.components.sources import Chunk, Source
from htmrun.errors import StopRequestedError
from htmrun.training.checkpoints import Keeper
from htmrun.training.measures import latency, peak_memory, probes
from htmrun.training.measures.network_figures import network_figures
from htmrun.training.measures.pixel_noise import noise_score
from htmrun.training.measures.prequential import Scoreboard, points
from htmrun.training.measures.registry import better
from htmrun.training.records import Finished, Job, Progress, Record, Started
from htmrun.training.schedule import Cursor, Schedule

CHUNK = 1024
_GROWING = ("sample", "segments", "synapses", "segments_created", "segments_destroyed")


@dataclass(frozen=True)
class Course:
    """How long to train, and how often to look."""

    epochs: int = 1
    epoch_length: int | None = None
    evaluate_every: int | None = None
    curve_points: int = 100
    measure_latency: bool = True
    noise_images: int | None = 0
    target: float | None = None
    drift_at: int | None = None


@dataclass(frozen=True)
class Best:
    """The state that was best on the validation samples, and after which sample."""

    accuracy: float
    sample: int
    state: State


class Trainer:
    """Trains one pipeline under one schedule."""

    def __init__(
        self, job: Job, pipeline: Pipeline, source: Source, schedule: Schedule,
        course: Course, scoreboard: Scoreboard, *, samples: int,
        stop: Callable[[], bool] = lambda: False, keeper: Keeper | None = None,
    ) -> None:  # fmt: skip
        """`samples`: training samples of one epoch; `stop` is asked between chunks.

        With `keeper` it goes on where the same job was cut short, and keeps how far it is.
        """
        self.job, self.pipeline, self.source = job, pipeline, source
        self.schedule, self.course, self.scoreboard = schedule, course, scoreboard
        self._per_epoch, self._total = samples, samples * course.epochs
        self._stop, self._keeper = stop, keeper
        self._sample, self._commits, self._cursor = 0, 0, Cursor()
        self._epoch = self._passed = 0
        self._within: tuple[Cursor, Flags, Flags] | None = None
        self._begun = self._train_seconds = self._earlier_s = 0.0
        self._told: list[Progress] = []
        self._counts: dict[str, list[float]] = {}
        self._curve = points(self._total, course.curve_points)[1:]
        self._looks = self._look_points()
        self._probes: probes.Probes | None = None
        self._best: Best | None = None

    def records(self) -> Iterator[Record]:
        """Train to the end; raises StopRequestedError when asked to stop.

        With a keeper, what was learned until then is kept, also where the generator is closed.
        """
        self._begun = time.perf_counter()
        peak_memory.forget_peak()
        try:
            yield from self._records()
        except (StopRequestedError, GeneratorExit):
            # Between two pieces, so that all that is kept is of the same sample.
            self._keep()
            raise

    def _records(self) -> Iterator[Record]:
        gone_on = self._go_on()
        yield Started(self.job, self._total, self._sample)
        yield from self._told
        if not gone_on:
            self._probes = probes.take_probes(self.pipeline, self.source, self.job.seed)
        for epoch in range(self._epoch, self.course.epochs):
            whole = self.source.train(self.job.seed, epoch, CHUNK)
            for chunk, last in _with_last(_after(whole, self._passed)):
                for piece, plan in self._pieces(chunk, last):
                    if self._stop():
                        raise StopRequestedError
                    self._train(piece, plan)
                    yield from self._look(epoch)
                    if self._keeper is not None and self._keeper.due():
                        self._keep()
            self._epoch, self._passed = epoch + 1, 0
        self._keeper = None
        yield self._finish()

    def _go_on(self) -> bool:
        """Take up what was kept of this job, if anything was."""
        kept = None if self._keeper is None else self._keeper.read()
        if kept is None:
            return False
        self.pipeline.load(kept.pop("state"))
        self.scoreboard.load(kept.pop("scoreboard"))
        for name, value in kept.items():
            setattr(self, name, value)
        return True

    def _keep(self) -> None:
        """Write down all that the rest of this job depends on, once there is anything."""
        if self._keeper is None or not self._sample:
            return
        own = ("_sample", "_commits", "_epoch", "_passed", "_train_seconds", "_told", "_counts",
               "_probes", "_best")  # fmt: skip
        self._keeper.write(
            {name: getattr(self, name) for name in own}
            | {"_cursor": self._place(), "_earlier_s": self._seconds()}
            | {"state": self.pipeline.state(), "scoreboard": self.scoreboard.state()}
        )

    def _seconds(self) -> float:
        return self._earlier_s + time.perf_counter() - self._begun

    def _place(self) -> Cursor:
        """Return the cursor after the last sample; `_cursor` is at the end of its chunk."""
        return self._cursor if self._within is None else self.schedule.plan(*self._within)[1]

    def _pieces(self, chunk: Chunk, last: bool) -> Iterator[tuple[Chunk, Plan]]:
        """Cut a chunk at curve points, evaluations, and at the next commit while one is awaited."""
        before, ends = self._cursor, self._epoch_ends(len(chunk), last)
        plan, self._cursor = self.schedule.plan(before, chunk.reset, ends)
        start = 0
        while start < len(plan):
            stop = len(plan)
            for places in (self._curve, self._looks, [self.scoreboard.tail_start]):
                ahead = next((p for p in places if p > self._sample), None)
                if ahead is not None:
                    stop = min(stop, start + ahead - self._sample)
            if self._probes is not None and self._probes.waiting:
                commits = np.flatnonzero(plan.commit[start:stop])
                stop = start + int(commits[0]) + 1 if len(commits) else stop
            self._within = (before, chunk.reset[:stop], ends[:stop])
            yield chunk.slice(start, stop), plan.slice(start, stop)
            start = stop

    def _train(self, chunk: Chunk, plan: Plan) -> None:
        begun = time.perf_counter()
        outcome = self.pipeline.run(chunk, plan)
        self._train_seconds += time.perf_counter() - begun
        self.scoreboard.add(chunk, outcome, self._sample)
        self._sample += len(plan)
        self._passed += len(plan)
        self._commits += int(plan.commit.sum())
        if self._probes is not None and self._probes.waiting and plan.commit[-1]:
            self._probes.after_commit(self.pipeline)

    def _look(self, epoch: int) -> Iterator[Progress]:
        figures: dict[str, float] = {}
        if self._sample in self._curve:
            figures |= self.scoreboard.interval()
            self._count()
        if self._sample in self._looks:
            figures |= probes.held_out(self.pipeline, self.source)
            figures |= self._validate()
            if self._probes is not None:
                self._probes.look(self.pipeline, self._sample)
        if figures:
            self._told.append(Progress(self.job, self._sample, epoch, figures, self._rate()))
            yield self._told[-1]

    def _finish(self) -> Finished:
        figures = self.scoreboard.final()
        if self.course.drift_at is not None:
            figures |= self.scoreboard.recovery(self.course.drift_at)
        self._validate()
        if self._best is not None:
            # What is reported is the state that validation chose, whatever came after it.
            self.pipeline.load(self._best.state)
            figures["validation/accuracy"] = self._best.accuracy
            figures["reported_sample"] = float(self._best.sample)
        figures |= probes.held_out(self.pipeline, self.source)
        series = self._curves()
        if self.course.noise_images != 0:
            noise, curve = noise_score(
                self.pipeline, self.source, self.job.seed, self.course.noise_images
            )
            figures |= noise
            series |= curve
        if isinstance(self.pipeline.readout, NetworkReadout):
            measured, more = network_figures(self.pipeline, self.pipeline.readout, self.source)
            figures |= measured
            series |= more
        if self._probes is not None:
            figures |= self._probes.figures()
            curves = probes.noise_curves(self.pipeline, self._probes)
            fault = probes.fault_curve(self.pipeline, self._probes)
            curves |= {} if fault is None else {"fault_accuracy": fault}
            figures |= {f"{name}_area": float(curve.mean()) for name, curve in curves.items()}
            series |= curves | self._probes.series()
        state = self.pipeline.state()
        series |= self.pipeline.describe(state, self.scoreboard.activity())
        series |= self._growth() | self.scoreboard.losses() | self.scoreboard.anomalies()
        figures |= self.pipeline.figures(state) | self._until_target()
        figures |= {
            "samples_per_s": self._rate(),
            "train_seconds": self._train_seconds,
            "samples": float(self._sample),
            "commits": float(self._commits),
            "state_bytes": float(sum(a.nbytes for a in state.values())),
        }
        peak = peak_memory.peak_bytes()
        # Of the whole process, data and libraries included; left out where it is not known.
        figures |= {} if peak is None else {"peak_memory_bytes": float(peak)}
        on_card = peak_memory.peak_device_bytes()
        figures |= {} if on_card is None else {"peak_device_memory_bytes": float(on_card)}
        state_hash = self.pipeline.state_hash()
        if self.course.measure_latency:
            # The last thing that is done: it trains on, and the state is not used again.
            figures |= latency.measure(self.pipeline, self.source, self.schedule, self.job.seed)
        return Finished(self.job, figures, state_hash, self._seconds(), series)

    def _validate(self) -> dict[str, float]:
        """Return the figures on the validation samples; keep the state if it is the best so far."""
        figures = probes.validation(self.pipeline, self.source)
        accuracy = figures.get("validation/accuracy")
        if accuracy is not None and (self._best is None or accuracy > self._best.accuracy):
            self._best = Best(accuracy, self._sample, self.pipeline.state())
        return figures

    def _curves(self) -> dict[str, np.ndarray]:
        """Return one array for each figure, NaN where only others were taken: all fit `sample`."""
        points = [{"sample": float(told.sample), **told.metrics} for told in self._told]
        names = dict.fromkeys(name for point in points for name in point)
        return {f"curve/{n}": np.array([p.get(n, np.nan) for p in points]) for n in names}

    def _count(self) -> None:
        """Take down how many segments and synapses there are."""
        for stage in self.pipeline.stages:
            counters = stage.counters()
            for name, n in (("sample", self._sample), *counters.items()) if counters else ():
                if name in _GROWING:
                    self._counts.setdefault(f"{stage.name}/growth/{name}", []).append(float(n))

    def _growth(self) -> dict[str, np.ndarray]:
        return {name: np.array(values) for name, values in self._counts.items()}

    def _until_target(self) -> dict[str, float]:
        """Return the samples until the main curve first reached the target; nothing if never."""
        target, name = self.course.target, self.scoreboard.main_curve
        if target is None:
            return {}
        lower = better(name) == "down"
        for told in self._told:
            value = told.metrics.get(name)
            if value is not None and (value <= target if lower else value >= target):
                return {"samples_to_target": float(told.sample)}
        return {}

    def _epoch_ends(self, samples: int, last: bool) -> np.ndarray:
        """Flag the samples after which an epoch ends: the pass's last, and every epoch_length."""
        ends = np.zeros(samples, np.uint8)
        if self.course.epoch_length is not None:
            number = self._sample % self._per_epoch + 1 + np.arange(samples)
            ends[number % self.course.epoch_length == 0] = 1
        if last:
            ends[-1] = 1
        return ends

    def _rate(self) -> float:
        return self._sample / self._train_seconds if self._train_seconds > 0 else 0.0

    def _look_points(self) -> list[int]:
        every = self.course.evaluate_every or self._per_epoch
        return list(range(every, self._total, every))


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
