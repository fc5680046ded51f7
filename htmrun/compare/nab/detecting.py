"""Raw anomaly scores: a fresh pipeline for each file, arm and seed, in worker processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.compare.nab.corpus import BenchmarkSeries
from htmrun.components.classifiers.scores import Activity
from htmrun.components.layout import layout
from htmrun.components.registry import component_of
from htmrun.config.schema import Arm, Experiment
from htmrun.errors import UserError
from htmrun.execution.jobs import Builder
from htmrun.execution.playing import schedule_of
from htmrun.execution.processes import ProcessWorkers, workers_for
from htmrun.execution.workers import Died, Raised, in_words
from htmrun.training.records import Job
from htmrun.training.schedule import Cursor

_CHUNK = 1024

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """One file, learned by one arm with one seed."""

    job: Job
    file: str


@dataclass(frozen=True)
class Detected:
    """The raw anomaly score of each row of a file, float64 (T,) from 0 to 1."""

    task: Task
    raw: Scores


@dataclass(frozen=True)
class Broken:
    """A file that could not be learned: one line, and the traceback."""

    task: Task
    error: str
    trace: str


@dataclass(frozen=True)
class Detector:
    """Learns one file after the other, each with a pipeline of its own; see `Player`."""

    experiment: Experiment
    sources: Mapping[str, BenchmarkSeries]

    def play(
        self, task: Task, stop: Callable[[], bool]
    ) -> Generator[Detected | Broken, None, None]:
        """Yield the scores of one file."""
        try:
            yield Detected(task, self.scores(task))
        except Exception as error:
            yield Broken(task, *in_words(error))

    def scores(self, task: Task) -> Scores:
        """Return the share of active columns that nobody predicted, for each row; float64 (T,).

        Nothing but encoder, spatial pooler and temporal memory runs. Raises UserError where the
        pipeline has no memory that predicts columns.
        """
        source, arm = self.sources[task.file], self.experiment.regime(task.job.arm)
        assert isinstance(arm, Arm), "only arms are learned"
        builder = Builder(self.experiment, source)
        pipeline, schedule, cursor = (
            builder.pipeline(arm, task.job.seed),
            schedule_of(arm),
            Cursor(),
        )
        memory = next(s for s in pipeline.stages if s.predicts)
        epoch, raw, seen = builder.epoch(arm), [], 0
        for chunk in source.train(task.job.seed, 0, _CHUNK):
            ends = np.zeros(len(chunk), np.uint8)
            if epoch is not None:
                places = np.arange(seen + 1, seen + len(chunk) + 1)
                ends[:] = places % epoch.samples == 0
            seen += len(chunk)
            plan, cursor = schedule.plan(cursor, chunk.reset, ends)
            bits: Any = pipeline.encoder.encode(chunk.fields)
            activity: Activity = {}
            for stage in pipeline.stages:
                bits = stage.run(bits, plan, activity)
            assert memory.cells is not None
            raw.append(1 - memory.cells.hits / np.maximum(memory.active_columns, 1))
        return np.concatenate(raw)


def must_detect(experiment: Experiment, source: BenchmarkSeries) -> None:
    """Raise UserError unless every chosen arm has a memory whose surprise can be scored."""
    for name in experiment.selected:
        arm = experiment.regime(name)
        if not isinstance(arm, Arm):
            continue
        own = Builder(experiment, source).of(arm)
        stages = own.experiment.stages
        encoder = own.encoder(experiment.seeds[0])
        placed = layout(own.experiment.pipeline, stages, encoder.shape, arm.bypass).stages
        if not any(component_of(stage.parameters).predicts for stage in placed):
            raise UserError(
                f"pipeline: arm {name} has no temporal memory, expected one, whose surprise is "
                "the anomaly score"
            )


def detect(
    detector: Detector, tasks: Sequence[Task], workers: int | None
) -> Generator[Detected, None, None]:
    """Yield what comes of `tasks`, at most `workers` at once (None: one per core).

    Raises UserError for the first that fails. Its workers end when it is closed.
    """
    todo = deque(tasks)
    with closing(ProcessWorkers(detector, workers_for(len(tasks), workers), ahead=True)) as pool:
        left = len(todo)
        while left:
            while todo and pool.free() > 0:
                task = todo.popleft()
                pool.start(task, task)
            for task, news in pool.wait(1.0):
                if isinstance(news, Died):
                    raise UserError(f"{task.file}, {task.job.name}: {news.reason}")
                if isinstance(news, Raised):
                    raise news.error
                for said in news.messages:
                    if isinstance(said, Broken):
                        raise UserError(f"{task.file}, {task.job.name}: {said.error}")
                    yield said
                pool.end(task)
                left -= 1
