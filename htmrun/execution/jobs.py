"""From a typed experiment to objects: the only place that maps a `kind` to a class."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from htmrun.backends import Backend, load_backend
from htmrun.backends.parameters import SpatialPoolerParameters, TemporalMemoryParameters
from htmrun.components.classifiers.buckets import Buckets
from htmrun.components.classifiers.parameters import PredictedColumnsConfig, SDRClassifierConfig
from htmrun.components.classifiers.predicted_columns import PredictedColumnsPredictor
from htmrun.components.classifiers.sdr import SDRPredictor
from htmrun.components.encoders import Encoder, build_encoder
from htmrun.components.networks.parameters import NetworkParameters
from htmrun.components.pipeline import Pipeline, Predictor
from htmrun.components.sources import Source
from htmrun.components.sources.series import SeriesSource
from htmrun.components.stages import MemoryStage, PoolerStage, Stage
from htmrun.config.schema import Arm, Baseline, Experiment, GrowingWindow
from htmrun.errors import UserError, nearest
from htmrun.execution import build_network
from htmrun.training import baselines
from htmrun.training.checkpoints import Checkpoints
from htmrun.training.records import Job, Record
from htmrun.training.schedule import Cursor, Growth, Schedule

if TYPE_CHECKING:
    from htmrun.components.encoders.parameters import EncoderParameters
    from htmrun.execution.lockstep import Meeting, Work
    from htmrun.training.measures.probes import Model


WARM_UP_SAMPLES = 8


def jobs_of(experiment: Experiment) -> list[Job]:
    """Return every arm and control with every seed, seed by seed, so that pairs finish together."""
    return [
        Job(name, seed, control=name not in experiment.arm)
        for seed in experiment.seeds
        for name in experiment.selected
    ]


def schedule_of(arm: Arm) -> Schedule:
    """Return the schedule of an arm's two dials."""
    every = arm.learn_every
    if isinstance(every, GrowingWindow):
        return Schedule(Growth(every.start, every.factor, every.limit), arm.boost_at)
    return Schedule(every, arm.boost_at)


@dataclass(frozen=True)
class Builder:
    """Makes what a job needs, from one experiment and its opened source."""

    experiment: Experiment
    source: Source
    shared: Backend | None = None
    """The backend to build models on; None: the one that `device` names."""
    threads: int = 1
    """Threads that a model may use on the processor."""
    checkpoints: Checkpoints | None = None
    """Where jobs keep how far they are; None: nowhere."""

    @property
    def backend(self) -> Backend:
        """The backend on which models are made."""
        if self.shared is not None:
            return self.shared
        return load_backend(self.experiment.device, self.threads)

    @property
    def horizons(self) -> tuple[int, ...]:
        """The classifier's horizons, in samples, ascending."""
        config = self.experiment.stages[self.experiment.pipeline[-1]]
        if isinstance(config, NetworkParameters):
            return (0,)
        return tuple(sorted(config.horizons)) if isinstance(config, SDRClassifierConfig) else (1,)

    @property
    def estimate(self) -> str:
        """The figure that forecasts draw from a distribution."""
        config = self.experiment.stages[self.experiment.pipeline[-1]]
        return config.estimate if isinstance(config, SDRClassifierConfig) else "mode"

    @property
    def classes(self) -> int:
        """Classes of the classifier: the source's, or the number of buckets."""
        config = self.experiment.stages[self.experiment.pipeline[-1]]
        if self.source.task != "forecast":
            return self.source.classes
        if not isinstance(config, SDRClassifierConfig):
            raise UserError(
                f"{self.experiment.pipeline[-1]}.kind: 'predicted_columns' names symbols, not "
                "values; expected 'sdr' for a forecast"
            )
        return config.buckets

    def encoder(self, seed: int) -> Encoder:
        """Return the encoder of one seed."""
        name = self.experiment.pipeline[0]
        parameters = cast("EncoderParameters", self.experiment.stages[name])
        return build_encoder(parameters, self.source.shapes, seed, self.source.ranges)

    def of(self, arm: Arm) -> Builder:
        """Return a builder whose experiment has the arm's own pipeline, if it has one."""
        stages = self.experiment.pipeline_of(arm)
        if stages == self.experiment.pipeline:
            return self
        return replace(self, experiment=self.experiment.model_copy(update={"pipeline": stages}))

    def pipeline(self, arm: Arm, seed: int) -> Model:
        """Return the pipeline of one arm with one seed, freshly initialised."""
        own = self.of(arm)
        if build_network.network_of(own.experiment) is not None:
            return build_network.pipeline(
                own.experiment, self.source, self.backend, arm, seed, self.samples()
            )
        return own._pipeline(arm, seed)

    def _pipeline(self, arm: Arm, seed: int) -> Pipeline:
        names = [n for n in self.experiment.pipeline[1:-1] if n not in arm.bypass]
        encoder = self.encoder(seed)
        stages: list[Stage] = []
        shape: tuple[int, ...] = encoder.shape
        for name in names:
            stage, shape = self._stage(name, shape, name not in arm.freeze, seed)
            stages.append(stage)
        first, last = self.experiment.pipeline[0], self.experiment.pipeline[-1]
        return Pipeline(
            encoder,
            stages,
            self._predictor(last, first, encoder.size, stages),
            buckets=self._buckets(last),
            predictor_learns=last not in arm.freeze,
            ends=(first, last),
        )

    def _stage(
        self, name: str, shape: tuple[int, ...], learn: bool, seed: int
    ) -> tuple[Stage, tuple[int, ...]]:
        """Return a stage over inputs of `shape`, and the shape of its own output."""
        parameters = self.experiment.stages[name]
        if isinstance(parameters, SpatialPoolerParameters):
            try:
                pooler = self.backend.SpatialPooler(parameters, shape, seed)
            except ValueError as error:
                raise UserError(f"{name}.{error}") from None
            out = parameters.column_shape or (parameters.columns,)
            return PoolerStage(name, pooler, parameters.columns, learn, out), out
        assert isinstance(parameters, TemporalMemoryParameters)
        columns = math.prod(shape)
        memory = self.backend.TemporalMemory(parameters, columns, seed)
        cells = parameters.cells_per_column
        return MemoryStage(name, memory, columns, cells, learn), (columns * cells,)

    def _predictor(
        self, name: str, encoder_name: str, encoder_size: int, stages: list[Stage]
    ) -> Predictor:
        config = self.experiment.stages[name]
        sizes = {encoder_name: encoder_size}
        for stage in stages:
            sizes |= stage.sizes
        before = stages[-1].name if stages else encoder_name
        if isinstance(config, PredictedColumnsConfig):
            return self._predicted_columns(name, encoder_name, stages)
        assert isinstance(config, SDRClassifierConfig)
        reads = self._reads(name, config.reads, sizes, before)
        size = sum(sizes[r] for r in reads)
        return SDRPredictor(config, reads, size, self.classes, self.backend)

    def _reads(
        self, name: str, wanted: tuple[str, ...] | None, sizes: dict[str, int], before: str
    ) -> tuple[str, ...]:
        """Return the outputs that the classifier reads; those of bypassed stages are left out."""
        if wanted is None:
            return (before,)
        for output in wanted:
            stage = output.partition(".")[0]
            if output not in sizes and stage not in self.experiment.pipeline[:-1]:
                raise UserError(
                    f"{name}.reads: found '{output}', expected among {', '.join(sizes)}"
                    f"{nearest(output, sizes)}"
                )
        return tuple(r for r in wanted if r in sizes) or (before,)

    def _predicted_columns(
        self, name: str, encoder_name: str, stages: list[Stage]
    ) -> PredictedColumnsPredictor:
        if not stages or not isinstance(stages[-1], MemoryStage):
            raise UserError(
                f"{name}.kind: 'predicted_columns' reads a temporal memory, expected one before it "
                "in every arm"
            )
        memory = stages[-1]
        columns = stages[-2].name if len(stages) > 1 else encoder_name
        return PredictedColumnsPredictor(
            f"{memory.name}.predicted", columns, memory.columns, self.classes
        )

    def _buckets(self, name: str) -> Buckets | None:
        if self.source.task != "forecast":
            return None
        config = self.experiment.stages[name]
        assert isinstance(config, SDRClassifierConfig)
        low, high = self.source.ranges["value"]
        low = low if config.minimum is None else config.minimum
        high = high if config.maximum is None else config.maximum
        if not low < high:
            raise UserError(
                f"{name}.maximum: the buckets' range is {low} to {high}, expected minimum < "
                f"maximum (set {name}.minimum and {name}.maximum)"
            )
        return Buckets(low, high, config.buckets)

    def samples(self) -> int:
        """Return the training samples of an epoch."""
        samples = self.source.samples
        if samples is None:
            raise UserError("epoch_length: found null, expected a number for a stream without end")
        return samples

    def prepare(self) -> None:
        """Run a throwaway pipeline of every arm over a few samples.

        Kernels are compiled or loaded before any clock runs, and what cannot be built is said
        before anything is recorded. Raises UserError.
        """
        for name in self.experiment.selected:
            regime = self.experiment.regime(name)
            if isinstance(regime, Baseline):
                self.period(name, regime)
            else:
                self._run_briefly(regime, self.experiment.seeds[0])

    def _run_briefly(self, arm: Arm, seed: int) -> None:
        pipeline = self.pipeline(arm, seed)
        chunk = next(iter(self.source.train(seed, 0, WARM_UP_SAMPLES)), None)
        if chunk is None or not len(chunk):
            return
        ends = np.zeros(len(chunk), np.uint8)
        ends[-1] = 1
        plan, _ = schedule_of(arm).plan(Cursor(), chunk.reset, ends)
        pipeline.compute(chunk)
        pipeline.run(chunk, plan)

    def period(self, name: str, baseline: Baseline) -> int | None:
        """Return the lag of a seasonal baseline in samples, None for persistence."""
        if baseline.baseline == "persistence" or baseline.period is not None:
            return baseline.period
        step = self.source.median_step if isinstance(self.source, SeriesSource) else None
        if step is None or step <= 0:
            raise UserError(
                f"control.{name}.period: found null and no time stamps in the data, expected the "
                "samples in a period"
            )
        return baselines.season(step)

    def work(self, job: Job) -> Work:
        """Return the generator function that runs `job`."""
        regime, e = self.experiment.regime(job.arm), self.experiment
        if isinstance(regime, Arm):
            return self._training(job, regime, None)

        def forecasts(stop: Callable[[], bool]) -> Iterator[Record]:
            period = self.period(job.arm, regime)
            yield from baselines.forecast(
                job, self.source, self.horizons, period, self.samples(), e.curve_points, stop
            )

        return forecasts

    def together(self, jobs: Sequence[Job], meeting: Meeting, index: int) -> dict[Job, Work]:
        """Return the work of each job, on card `index`, whose models share launches.

        Latencies are left out: a sample of one job waits for those of the others.
        """
        from htmrun.backends.cuda.device import cuda_device
        from htmrun.execution.lockstep_models import SharedBackend

        shared = SharedBackend(cuda_device(index), meeting)
        builder = replace(self, shared=shared)
        works = {}
        # By arm, so that models that look at the same time are neighbours in their group.
        for job in sorted(jobs, key=lambda job: self.experiment.selected.index(job.arm)):
            regime = self.experiment.regime(job.arm)
            if isinstance(regime, Baseline):
                works[job] = self.work(job)
                continue
            if build_network.network_of(self.of(regime).experiment) is not None:
                # torch shares no launches: a network on the card goes its own way.
                works[job] = self.work(job)
                continue
            shared.begin()
            works[job] = self._training(job, regime, builder.pipeline(regime, job.seed))
        return works

    def _training(self, job: Job, arm: Arm, made: Model | None) -> Work:
        """Return what trains `made`, one of several in step, or a pipeline of its own."""
        from htmrun.training.measures.prequential import Scoreboard
        from htmrun.training.trainer import Course, Trainer

        e = self.experiment

        def records(stop: Callable[[], bool]) -> Iterator[Record]:
            samples = self.samples()
            pipeline, own = made or self.pipeline(arm, job.seed), self.of(arm)
            board = Scoreboard(
                self.source.task, own.classes, own.estimate, own.horizons, pipeline,
                samples * e.epochs,
            )  # fmt: skip
            course = Course(
                e.epochs, e.epoch_length, e.evaluate_every, e.curve_points, made is None,
                e.noise_images, e.target, drift_at(e),
            )  # fmt: skip
            # Models in step are asked for their states by all jobs; they start from the beginning.
            kept = self.checkpoints if made is None else None
            yield from Trainer(
                job, pipeline, self.source, schedule_of(arm), course, board, samples=samples,
                stop=stop, keeper=None if kept is None else kept.of_job(job),
            ).records()  # fmt: skip

        return records


def drift_at(experiment: Experiment) -> int | None:
    """Return the sample at which the data are known to change, None if they are not."""
    return getattr(experiment.data, "drift_at", None)
