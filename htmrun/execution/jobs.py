"""From a typed experiment to its jobs: pipelines, and generators of records that train them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from htmrun.backends import Backend, load_backend
from htmrun.components.agents import Agent
from htmrun.components.classifiers import Readout, Site, Targets
from htmrun.components.controls import Control, ControlParameters
from htmrun.components.encoders import Encoder, build_encoder
from htmrun.components.ending import Ending, ending_of
from htmrun.components.layout import Layout, layout
from htmrun.components.pipeline import Pipeline, Raw
from htmrun.components.registry import component_of
from htmrun.components.sources import Source, Task
from htmrun.components.sources.one_column import OneColumn
from htmrun.config.schema import Arm, Experiment
from htmrun.errors import UserError
from htmrun.execution.garbage import sought_as_usual
from htmrun.execution.lockstep import Work
from htmrun.execution.playing import play_briefly, player_of, schedule_of
from htmrun.training import baselines, epochs
from htmrun.training.checkpoints import Checkpoints
from htmrun.training.epochs import Epoch
from htmrun.training.measures.further_columns import named
from htmrun.training.measures.judge import Judge
from htmrun.training.measures.measure import Run
from htmrun.training.records import Finished, Job, Record
from htmrun.training.schedule import Course, Cursor
from htmrun.training.trainer import Trainer

WARM_UP_SAMPLES = 8


def jobs_of(experiment: Experiment) -> list[Job]:
    """Return every arm and control with every seed, seed by seed, so that pairs finish together."""
    return [
        Job(name, seed, control=name not in experiment.arm)
        for seed in experiment.seeds
        for name in experiment.selected
    ]


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
    hand_over: bool = False
    """Whether jobs hand over what they learned with their last record."""
    forecast_bytes: float = 0.0
    """Bytes up to which a job keeps what it said of every row of a series; 0: nothing."""

    @property
    def ending(self) -> Ending:
        """The readout, or that there is none."""
        return ending_of(self.experiment.pipeline, self.experiment.stages)

    @property
    def task(self) -> Task:
        """What is asked of the source: what it is made for, without a readout anomalies."""
        return self.source.task if self.ending.reads else "anomaly"

    @property
    def judges(self) -> bool:
        """Whether anomalies have figures: where they are asked for, or the data have labels."""
        return self.task == "anomaly" or self.source.windows is not None

    @property
    def horizons(self) -> tuple[int, ...]:
        """The readout's horizons, in samples, ascending."""
        end = self.ending
        return end.kind.horizons(end.parameters)

    @property
    def targets(self) -> Targets:
        """What is asked of the readout; raises UserError where it cannot give that."""
        end = self.ending
        return end.kind.targets_of(end.name, end.parameters, self.source)

    def of(self, arm: Arm) -> Builder:
        """Return a builder whose experiment has the arm's own pipeline, if it has one."""
        stages = self.experiment.pipeline_of(arm)
        if stages == self.experiment.pipeline:
            return self
        return replace(self, experiment=self.experiment.model_copy(update={"pipeline": stages}))

    def encoder(self, seed: int) -> Encoder | Raw:
        """Return the encoder of one seed, or what stands for it where the readout is alone."""
        first, *rest = self.experiment.pipeline
        if not rest:
            field = self.ending.kind.field
            assert field is not None  # Else the pipeline is refused.
            return Raw(field, self.source.shapes)
        parameters, source = self.experiment.stages[first], self.source
        return build_encoder(parameters, source.shapes, seed, source.ranges, first)

    def layout(self, arm: Arm) -> Layout:
        """Return what stands before the readout in an arm whose pipeline is the experiment's."""
        e = self.experiment
        return layout(e.pipeline, e.stages, self.encoder(e.seeds[0]).shape, arm.bypass)

    def pipeline(self, arm: Arm, seed: int) -> Pipeline:
        """Return the pipeline of one arm with one seed, freshly initialised; raises UserError."""
        own = self.of(arm)
        e, encoder, place = own.experiment, own.encoder(seed), own.layout(arm)
        end, samples = own.ending, self.source.samples or 0
        stated = epochs.stated(e.epoch_length, self.source)
        for window in end.windows(place, arm.freeze):
            problem = window.problem(own.experiment.longest_window(arm))
            if problem is not None:
                raise UserError(f"learn_every: {problem}")
        backend = self.shared or load_backend(e.device, self.threads)
        stages = [
            component_of(stage.parameters).build(
                stage.name, stage.parameters, stage.before, seed, backend,
                stage.name not in arm.freeze,
            )
            for stage in place.stages
        ]  # fmt: skip
        site = Site(
            end.name, place, self.source, backend, e.device, seed, arm.freeze,
            samples * e.epochs, stated.samples if stated else samples,
        )  # fmt: skip
        readout = end.kind.build(end.parameters, site)
        return Pipeline(encoder, stages, readout, place.first, self._others(end, site))

    def _others(self, end: Ending, site: Site) -> dict[str, Readout]:
        """Return a readout of each further column that is forecast, beside the one of `site`."""
        found = {}
        if end.kind.horizons(end.parameters):
            for name in self.source.predicted:
                own = f"{end.name}.{name}"
                frozen = {*site.frozen, *({own} if end.name in site.frozen else ())}
                view = OneColumn(self.source, name)
                found[name] = end.kind.build(
                    end.parameters, replace(site, name=own, source=view, frozen=frozen)
                )
        return found

    def epoch(self, arm: Arm) -> Epoch | None:
        """Return what an epoch of an arm is; None: a pass. Raises UserError.

        What is asked for holds of all arms; otherwise windows of arms that do not boost at epochs
        need not end there.
        """
        length = self.experiment.epoch_length
        if length is None and arm.boost_at == "epoch":
            return epochs.found(self.source, self.samples())
        return epochs.stated(length, self.source)

    def samples(self) -> int:
        """Return the training samples of an epoch."""
        samples = self.source.samples
        if samples is None:
            raise UserError("epoch_length: found null, expected a number for a stream without end")
        return samples

    def prepare(self, arm: str | None = None) -> None:
        """Run a throwaway pipeline of an arm (None: of every arm) over a few samples.

        Kernels are compiled or loaded before any clock runs, and what cannot be built is said
        before anything is recorded. Raises UserError.
        """
        self.must_judge()
        for name in self.experiment.selected if arm is None else (arm,):
            regime = self.experiment.regime(name)
            if isinstance(regime, Arm):
                self._run_briefly(regime, self.experiment.seeds[0])
            else:
                self.control(name, regime)

    def must_judge(self) -> None:
        """Raise UserError where anomalies of these data cannot be judged as it is asked for."""
        samples, parameters = self.samples(), self.experiment.anomaly
        if self.source.task in ("classification", "control"):
            return
        try:
            judge = Judge(parameters, samples, self.source.windows)
            judge.must_choose(samples)
        except ValueError as error:
            raise UserError(f"anomaly.{error}") from None

    def _run_briefly(self, arm: Arm, seed: int) -> None:
        pipeline = self.pipeline(arm, seed)
        if isinstance(pipeline.readout, Agent):
            play_briefly(self.experiment, arm, self.source, pipeline.readout, WARM_UP_SAMPLES)
            return
        chunk = next(iter(self.source.train(seed, 0, WARM_UP_SAMPLES)), None)
        if chunk is None or not len(chunk):
            return
        ends = np.zeros(len(chunk), np.uint8)
        ends[-1] = 1
        plan, _ = schedule_of(arm).plan(Cursor(), chunk.reset, ends)
        pipeline.compute(chunk)
        pipeline.run(chunk, plan)

    def control(self, name: str, parameters: ControlParameters) -> Control:
        """Return the control called `name`, which learns nothing."""
        kind: type[Control] = component_of(parameters)
        return kind(parameters, self.source, f"control.{name}")

    def work(self, job: Job) -> Work:
        """Return the generator function that runs `job`."""
        sought_as_usual()
        regime, e = self.experiment.regime(job.arm), self.experiment
        if isinstance(regime, Arm):
            return self.training(job, regime)

        def forecasts(stop: Callable[[], bool]) -> Iterator[Record]:
            control = self.control(job.arm, regime)
            own = baselines.forecast(
                job, self.source, self.horizons, control, self.samples(), e.curve_points, stop,
                epochs=e.epochs, keep=self.forecast_bytes,
                anomaly=e.anomaly if self.judges else None,
            )  # fmt: skip
            for record in own:
                if isinstance(record, Finished) and self.source.predicted:
                    record = self._with_others(record, stop)
                yield record

        return forecasts

    def _with_others(self, record: Finished, stop: Callable[[], bool]) -> Finished:
        """Return a control's record with the figures of the further columns."""
        metrics, notes = dict(record.metrics), list(record.notes)
        regime = self.experiment.regime(record.job.arm)
        assert isinstance(regime, ControlParameters)
        for name in self.source.predicted:
            view = replace(self, source=OneColumn(self.source, name))
            found, said = baselines.figures(
                record.job, view.source, self.horizons, view.control(record.job.arm, regime), stop
            )
            metrics |= named(found, name)
            notes += [f"{name}: {note}" for note in said]
        return replace(record, metrics=metrics, notes=tuple(notes))

    def course(self, arm: Arm, *, latency: bool = True) -> Course:
        """Return how long a job of an arm trains and how often it looks."""
        e, epoch = self.experiment, self.epoch(arm)
        return Course(
            epochs=e.epochs, epoch_length=epoch.samples if epoch else None,
            evaluate_every=e.evaluate_every, curve_points=e.curve_points,
            measure_latency=latency, noise_images=e.noise_images, target=e.target,
            drift_at=drift_at(e), hand_over=self.hand_over, anomaly=e.anomaly,
            forecast_bytes=self.forecast_bytes,
        )  # fmt: skip

    def training(self, job: Job, arm: Arm, made: Pipeline | None = None) -> Work:
        """Return what trains `made`, one of several in step, or a pipeline of its own."""

        def episodes(stop: Callable[[], bool]) -> Iterator[Record]:
            agent = self.pipeline(arm, job.seed).readout
            assert isinstance(agent, Agent)
            keeper = None if self.checkpoints is None else self.checkpoints.of_job(job)
            player = player_of(self.experiment, job, arm, self.source, agent)
            yield from replace(player, stop=stop, keeper=keeper).records()

        def records(stop: Callable[[], bool]) -> Iterator[Record]:
            course = self.course(arm, latency=made is None)
            pipeline = made or self.pipeline(arm, job.seed)
            # Models in step are asked for their states by all jobs; they start from the beginning.
            kept = self.checkpoints if made is None else None
            run = Run(job, pipeline, self.source, schedule_of(arm), course, self.samples())
            keeper = None if kept is None else kept.of_job(job)
            yield from Trainer(run, stop=stop, keeper=keeper).records()

        return episodes if self.task == "control" else records


def drift_at(experiment: Experiment) -> int | None:
    """Return the sample at which the data are known to change, None if they are not."""
    return getattr(experiment.data, "drift_at", None)
