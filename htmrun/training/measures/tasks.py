"""What a model still knows of earlier tasks, and how soon it is at home in the next.

R[i, j] is the accuracy on the held-out samples of task j after task i was learned, R[0, j] that of
the untrained model (Lopez-Paz, Ranzato 2017, "Gradient Episodic Memory for Continual Learning").
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from htmrun.backends.plan import Plan
from htmrun.components.pipeline import Outcome
from htmrun.components.registry import register
from htmrun.components.sources import Chunk
from htmrun.training.measures.drift import LEAST, WINDOW, recovery
from htmrun.training.measures.measure import Found, Measure, Metric, Metrics, Run, Saved
from htmrun.training.measures.meters import ClassificationMeter

CHUNK = 1024
MATRIX = "tasks/accuracy"
"""R among a job's series: float64 (tasks + 1, tasks), the untrained model's row first."""
AROUND = "change/around"
"""Share of right answers around a change, mean over the changes, float64 (bins,)."""
OFFSET = "change/offset"
"""Samples from the change to the first sample of each bin."""
BIN = 20
BEFORE = 200
MOST_AFTER = 2000

Matrix = npt.NDArray[np.float64]


def matrix_metrics(r: Matrix) -> Metrics:
    """Return what R says, (tasks + 1, tasks) with the untrained model's row first.

    Average accuracy, forward and backward transfer: Lopez-Paz, Ranzato 2017. Forgetting: Chaudhry
    et al. 2018. Learning accuracy: Riemer et al. 2019.
    """
    untrained, r = r[0], r[1:]
    tasks = len(r)
    own, last = np.diag(r), r[-1]
    return {
        "average_accuracy": float(last.mean()),
        "learning_accuracy": float(own.mean()),
        "forgetting": float((r[:-1, :-1].max(0) - last[:-1]).mean()),
        "backward_transfer": float((last[:-1] - own[:-1]).mean()),
        "forward_transfer": float(
            np.mean([r[task - 1, task] - untrained[task] for task in range(1, tasks)])
        ),
    }


def change_metrics(losses: npt.NDArray[np.float32], ends: tuple[int, ...]) -> Metrics:
    """Return means over the changes between tasks; ends: samples after which each task ends.

    losses: (T,), 1 for a wrong and 0 for a right answer, NaN for none. Accuracy over the
    last 100 samples before a change and the first 100 after it; samples until 100 in a row are back
    at 95 % of the level before, all of the task's where none are. Changes around which there are
    fewer than 20 samples before or 100 after are left out; nothing is returned without any.
    """
    found: list[Metrics] = []
    for begin, at, end in zip((0, *ends), ends, ends[1:], strict=False):
        if at - begin < LEAST or end - at < WINDOW:
            continue
        one = recovery(losses[begin:end], at - begin, forecast=False)
        if one:
            found.append({"recovery_samples": float(end - at)} | one)
    if not found:
        return {}
    means = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
    return {
        "change/before": means["drift/before"], "change/after": means["drift/after"],
        "change/recovered": means["drift/recovered"],
        "change/recovery_samples": means["recovery_samples"],
    }  # fmt: skip


def around_changes(
    losses: npt.NDArray[np.float32], ends: tuple[int, ...]
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the share of right answers in bins of 20 samples around the changes, their mean.

    From 200 samples before, or as many as the shortest task has, until its end or 2000 after.
    """
    shortest = int(np.diff([0, *ends]).min())
    before = min(BEFORE, shortest) // BIN * BIN
    after = min(MOST_AFTER, shortest) // BIN * BIN
    if not before:
        return {}
    right = 1.0 - np.stack([losses[at - before : at + after] for at in ends[:-1]])
    bins = right.reshape(len(right), -1, BIN).astype(np.float64)
    counts = (~np.isnan(bins)).sum((0, 2))
    found = np.where(counts, np.nansum(bins, (0, 2)) / np.maximum(counts, 1), np.nan)
    return {AROUND: found, OFFSET: np.arange(-before, after, BIN, dtype=np.float64)}


@register("measure")
class TaskSequence(Measure):
    """Held-out accuracy on every task after each, and the answers around the changes."""

    metrics: ClassVar = (
        Metric("average_accuracy", "task", "up", "accuracy on held-out samples after the last "
               "task, mean over all tasks", "share correct", "Lopez-Paz, Ranzato 2017"),
        Metric("learning_accuracy", "learning", "up", "accuracy on held-out samples of a task "
               "right after it, mean over all tasks", "share correct", "Riemer et al. 2019"),
        Metric("forgetting", "learning", "down", "best accuracy on a task before the last one less "
               "the accuracy after it, mean over all tasks but the last", "share correct",
               "Chaudhry et al. 2018", main=("classification",)),
        Metric("backward_transfer", "learning", "up", "accuracy on a task after the last one less "
               "that right after it was learned, mean over all tasks but the last; negative: "
               "forgotten", "share correct", "Lopez-Paz, Ranzato 2017"),
        Metric("forward_transfer", "learning", "up", "accuracy on a task right before it is "
               "learned less that of the untrained model, mean over all tasks but the first",
               "share correct", "Lopez-Paz, Ranzato 2017"),
        Metric("change/{before,after}", "learning", "none", "accuracy over the last 100 samples "
               "before another task begins, the first 100 after; mean over the changes",
               "share correct"),
        Metric("change/recovered", "learning", "up", "changes after which accuracy came back to "
               "95 % of what it was while the task went on", "share"),
        Metric("change/recovery_samples", "learning", "down", "samples from a change until 100 in "
               "a row are back at 95 % of the level before, all of the task's if they never are; "
               "mean over the changes", "samples", main=("classification",)),
    )  # fmt: skip
    order = 46

    def begin(self, run: Run) -> None:
        """Score the untrained model on every task."""
        self._ends = run.source.task_ends
        self._matrix: list[list[float]] = []
        self._scores = ClassificationMeter(run.source.classes, keep_losses=True)
        if self._ends:
            self._matrix.append(self._row(run))

    def cuts(self) -> tuple[int, ...]:
        """Return the samples after which tasks end."""
        return self._ends

    def chunk(self, run: Run, chunk: Chunk, plan: Plan, outcome: Outcome) -> None:
        """Take down which answers were right; score every task where one ends."""
        if not self._ends:
            return
        self._scores.add(outcome.scores[0], chunk.target, chunk.scored != 0)
        if run.sample in self._ends:
            self._matrix.append(self._row(run))

    def _row(self, run: Run) -> list[float]:
        found = []
        for task in range(len(self._ends)):
            meter = ClassificationMeter(run.source.classes)
            for chunk in run.source.test_of(task, CHUNK):
                scores = run.pipeline.compute(chunk).scores[0]
                meter.add(scores, chunk.target, chunk.scored != 0)
            found.append(meter.metrics()["accuracy"])
        return found

    def finish(self, run: Run) -> Found:
        """Return what the matrix says, and what came around the changes; nothing without tasks."""
        if not self._ends:
            return Found()
        matrix, losses = np.array(self._matrix), self._scores.losses()
        assert losses is not None
        metrics = matrix_metrics(matrix) | change_metrics(losses, self._ends)
        return Found(metrics, {MATRIX: matrix} | around_changes(losses, self._ends))

    def state(self) -> Saved:
        """Return the rows so far, and which answers were wrong."""
        return {"matrix": self._matrix, "scores": self._scores.state()} if self._ends else {}

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned of the same job."""
        if self._ends:
            self._matrix = saved["matrix"]
            self._scores.load(saved["scores"])
