"""Scores of a frozen model on samples that it does not learn, and the state that is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

from htmrun.components.pipeline import Outcome, Pipeline
from htmrun.components.registry import register
from htmrun.components.sources import Chunk, Source
from htmrun.training.measures.measure import (
    Due,
    Found,
    Measure,
    Metric,
    Metrics,
    Run,
    Saved,
)
from htmrun.training.measures.meters import ClassificationMeter
from htmrun.training.measures.selectivity import ClassActivity

CHUNK = 1024


@register("measure")
class HeldOut(Measure):
    """Held-out scores; where there are validation samples, of the state that was best on them."""

    metrics: ClassVar = (
        Metric("{stage}/selectivity", "representation", "none", "how much more often a column wins "
               "for its best class than for the others, held-out samples; 0 to 1",
               source="Morcos et al. 2018"),
        Metric("reported_sample", "cost", "none", "the sample after which the reported state was "
               "taken, chosen by validation samples"),
    )  # fmt: skip
    order = 20

    def begin(self, run: Run) -> None:
        """Start without a best state."""
        self._best: Saved = {}

    def look(self, run: Run, due: Due) -> Metrics:
        """Return both scores at an evaluation; keep the state if it is the best so far."""
        if not due.evaluation:
            return {}
        return self._held_out(run) | self._validate(run)

    def finish(self, run: Run) -> Found:
        """Load the state that validation chose, whatever came after it; return its scores."""
        self._validate(run)
        found: Metrics = {}
        if self._best:
            run.pipeline.load(self._best["state"])
            found["validation/accuracy"] = self._best["accuracy"]
            found["reported_sample"] = float(self._best["sample"])
        return Found(found | self._held_out(run))

    def state(self) -> Saved:
        """Return accuracy, sample and state of the best so far; empty without one."""
        return self._best

    def load(self, saved: Saved) -> None:
        """Go on with that as the best."""
        self._best = saved

    @staticmethod
    def _held_out(run: Run) -> Metrics:
        run.held_out = None

        def see(outcome: Outcome) -> None:
            run.held_out = run.held_out or outcome

        return held_out(run.pipeline, run.source, see)

    def _validate(self, run: Run) -> Metrics:
        found = validation(run.pipeline, run.source)
        accuracy = found.get("validation/accuracy")
        if accuracy is not None and (not self._best or accuracy > self._best["accuracy"]):
            state = run.pipeline.state()
            self._best = {"accuracy": accuracy, "sample": run.sample, "state": state}
        return found


def held_out(
    pipeline: Pipeline, source: Source, see: Callable[[Outcome], None] | None = None
) -> Metrics:
    """Return accuracy, macro-F1, NLL and calibration error on the held-out samples, or nothing.

    see: is shown what is made of each chunk.
    """
    chunks = source.test(CHUNK)
    return {} if chunks is None else metrics_on(pipeline, source, chunks, see)


def validation(pipeline: Pipeline, source: Source) -> Metrics:
    """Return the same metrics on the samples that choose the reported epoch, or nothing."""
    chunks = source.validation(CHUNK)
    if chunks is None:
        return {}
    return {f"validation/{n}": v for n, v in metrics_on(pipeline, source, chunks).items()}


def metrics_on(
    pipeline: Pipeline, source: Source, chunks: Iterator[Chunk],
    see: Callable[[Outcome], None] | None = None,
) -> Metrics:  # fmt: skip
    """Return accuracy, macro-F1, NLL and calibration error on given samples.

    And of each spatial pooler, as `STAGE/selectivity`, how selective its columns are for classes.
    """
    meter = ClassificationMeter(source.classes)
    poolers = [stage for stage in pipeline.stages if stage.competes]
    wins = {s.name: ClassActivity(source.classes, s.columns) for s in poolers}
    for chunk in chunks:
        outcome = pipeline.compute(chunk)
        if see is not None:
            see(outcome)
        meter.add(outcome.scores[0], chunk.target, chunk.scored != 0)
        for name, activity in wins.items():
            activity.add(outcome.activity[name], pipeline.classes_of(chunk.target))
    found = {f"{name}/selectivity": activity.selectivity() for name, activity in wins.items()}
    return meter.metrics() | {name: value for name, value in found.items() if value is not None}
