"""One `htmrun nab`: every file, arm and seed learned, and what the benchmark says of it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from htmrun.compare.comparison import Comparison, compare_arms
from htmrun.compare.nab import judging
from htmrun.compare.nab.corpus import Corpus
from htmrun.compare.nab.detecting import Detector, Scores, Task, detect, must_detect
from htmrun.compare.nab.judging import ByFile, Scored
from htmrun.components.controls import ControlParameters
from htmrun.config.schema import Arm, Experiment
from htmrun.errors import UserError
from htmrun.execution.jobs import Builder, jobs_of
from htmrun.execution.processes import must_be_guarded
from htmrun.execution.session import new_run_id
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.training.records import Finished, Job, Progress, Record, Started

RANGE_RULE = "range_rule"
"""The control that has no memory: a value outside the range so far."""


@dataclass
class Benchmark:
    """An experiment over a corpus, and what has come of it so far.

    threshold: the fixed one; raw: anomaly scores by job and file; scored: results by job, those of
    controls too. `seconds` of the whole, once it is over.
    """

    experiment: Experiment
    corpus: Corpus
    run_id: str
    threshold: float
    raw: dict[Job, dict[str, Scores]] = field(default_factory=dict)
    scored: dict[Job, Scored] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def learned(self) -> list[Job]:
        """Every arm with every seed."""
        e = self.experiment
        return [job for job in jobs_of(e) if isinstance(e.regime(job.arm), Arm)]

    @property
    def baselines(self) -> dict[str, ControlParameters]:
        """The chosen controls that learn nothing, by name."""
        found = {name: self.experiment.regime(name) for name in self.experiment.selected}
        return {name: p for name, p in found.items() if not isinstance(p, Arm)}

    @property
    def jobs(self) -> list[Job]:
        """Every arm with every seed, then the controls with every seed, of which they see none."""
        names = (*self.baselines, RANGE_RULE)
        seeds = self.experiment.seeds
        return [*self.learned, *(Job(name, seed, True) for seed in seeds for name in names)]

    def prepare(self) -> None:
        """Build every arm's pipeline once, and compile what it needs; raises UserError."""
        source = next(iter(self.corpus.files.values())).source
        must_detect(self.experiment, source)
        Builder(self.experiment, source).prepare()

    def records(self) -> Generator[Record, None, None]:
        """Run all jobs and yield their records; raises UserError for the first that fails."""
        begun = time.perf_counter()
        longest = sorted(self.corpus.files, key=lambda name: -len(self.corpus.files[name]))
        tasks = [Task(job, name) for job in self.learned for name in longest]
        sources = {name: file.source for name, file in self.corpus.files.items()}
        found = detect(Detector(self.experiment, sources), tasks, self.experiment.workers)
        started: dict[Job, float] = {}
        with closing(found):
            for one in found:
                job = one.task.job
                if job not in started:
                    started[job] = time.perf_counter()
                    self.raw[job] = {}
                    yield Started(job, self.corpus.rows)
                self.raw[job][one.task.file] = one.raw
                seconds = time.perf_counter() - started[job]
                yield from self._news(job, seconds)
        for name, (scores, level) in self.controls().items():
            scored = judging.score(self.corpus, scores, level)
            for job in (job for job in self.jobs if job.arm == name):
                self.scored[job] = scored
                yield Started(job, self.corpus.rows)
                yield Finished(job, scored.metrics, "", 0.0)
        self.seconds = time.perf_counter() - begun

    def _news(self, job: Job, seconds: float) -> Iterator[Record]:
        """Yield how far a job is, and its result once it has all files."""
        raw, whole = self.raw[job], self.corpus.files
        rows = sum(map(len, raw.values()))
        rate = rows / max(seconds, 1e-9)
        yield Progress(job, rows, 0, {}, rate)
        if len(raw) == len(whole):
            self.raw[job] = {name: raw[name] for name in whole}
            found = judging.score(self.corpus, self.judged(self.raw[job]), self.threshold)
            self.scored[job] = found
            yield Finished(job, found.metrics, _hash(self.raw[job]), seconds)

    def judged(self, raw: ByFile) -> dict[str, Scores]:
        """Return the anomaly scores of a detector by file."""
        files, p = self.corpus.files, self.experiment.anomaly
        return {name: judging.judged(files[name], scores, p) for name, scores in raw.items()}

    def controls(self) -> dict[str, tuple[dict[str, Scores], float]]:
        """Return the scores by file of what has no memory, and the fixed threshold of each."""
        corpus, anomaly = self.corpus, self.experiment.anomaly
        found = {
            name: judging.baseline(corpus, f"control.{name}", parameters, anomaly)
            for name, parameters in self.baselines.items()
        }
        return found | {RANGE_RULE: (judging.range_rule(corpus, anomaly), self.threshold)}

    def arms(self) -> dict[str, dict[int, Scored]]:
        """Return results by arm or control, and seed."""
        found: dict[str, dict[int, Scored]] = {}
        for job in self.jobs:
            found.setdefault(job.arm, {})[job.seed] = self.scored[job]
        return found

    def ensembles(self) -> dict[str, dict[str, Scores]]:
        """Return, of each arm with several seeds, what their mean raw scores are judged to be."""
        if len(self.experiment.seeds) < 2:
            return {}
        by_arm: dict[str, list[ByFile]] = {}
        for job in self.learned:
            by_arm.setdefault(job.arm, []).append(self.raw[job])
        return {arm: self.judged(judging.ensemble(raws)) for arm, raws in by_arm.items()}

    def comparison(self) -> Comparison:
        """Return the arms compared in the standard score, paired by seed."""
        arms, names = self.arms(), [f"nab/{judging.MAIN}", f"nab/{judging.MAIN}_fixed"]
        run = ExperimentRun(
            self.run_id, self.experiment.name, "anomaly", (self.run_id,),
            [name for name in arms if name in self.experiment.arm],
            [name for name in arms if name not in self.experiment.arm], names,
            {arm: {name: {seed: found.metrics[name] for seed, found in seeds.items()}
                   for name in names} for arm, seeds in arms.items()},
            jobs={arm: dict.fromkeys(seeds) for arm, seeds in arms.items()},
        )  # fmt: skip
        return compare_arms(run, names)


def open_benchmark(experiment: Experiment, corpus: Corpus) -> Benchmark:
    """Return the benchmark, nothing learned yet; raises UserError for what cannot work."""
    must_be_guarded()
    if experiment.device.startswith(("cuda", "auto")):
        raise UserError(
            f"device: found '{experiment.device}', expected cpu or reference: files are learned "
            "side by side on the processor"
        )
    if RANGE_RULE in experiment.selected:
        raise UserError(f"arms: found {RANGE_RULE}, expected another name, that is a control's")
    level = judging.judges(corpus, experiment.anomaly)
    return Benchmark(experiment, corpus, new_run_id(experiment.name), level)


def _hash(raw: ByFile) -> str:
    """Return the SHA-256 of raw scores, which stand for what was learned."""
    digest = hashlib.sha256()
    for name, scores in sorted(raw.items()):
        digest.update(name.encode() + np.ascontiguousarray(scores, np.float64).tobytes())
    return digest.hexdigest()
