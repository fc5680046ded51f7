"""What a job learned, kept so that it can go on: state, configuration, what it knows of the data.

It lies in a folder of MLflow's model format: `MLmodel` names what loads it, `model.htmrun` holds
everything (see `typed_file`): data, never code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import htmrun
from htmrun.backends import State
from htmrun.backends.state import state_hash
from htmrun.components import foreign
from htmrun.components.sources.known import Known, facts_of
from htmrun.components.sources.reading import Reading
from htmrun.config.schema import Arm, Experiment
from htmrun.config.validation import plain, validate
from htmrun.errors import UserError
from htmrun.execution.jobs import Builder
from htmrun.execution.models import Model
from htmrun.execution.playing import schedule_of
from htmrun.execution.quota import Quota
from htmrun.training import typed_file
from htmrun.training.records import Finished
from htmrun.training.schedule import Cursor

FOLDER, FILE, MLFLOW = "model", "model.htmrun", "MLmodel"
_TITLE = "htmrun model 1"


@dataclass(frozen=True)
class Saved:
    """All that is needed of a trained model.

    configuration: of its experiment, whose `arm` and `seed` it was. facts: see `sources.known`;
    reading: how rows of a series were read, None for other data. state: of the pipeline; after:
    what else is gone on from, by what keeps it. kinds: other people's code, as `foreign.tags`.
    rows: read since it was trained.
    """

    run: str
    arm: str
    seed: int
    configuration: dict[str, Any]
    facts: dict[str, Any]
    reading: dict[str, Any] | None
    state: State
    cursor: tuple[int, int]
    after: dict[str, Any] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    version: str = htmrun.__version__
    rows: int = 0

    @classmethod
    def of(cls, builder: Builder, run: str, record: Finished) -> Saved:
        """Return the model of a job that was asked to hand it over."""
        experiment, source = builder.experiment, builder.source
        configuration = {n: v for n, v in plain(experiment).items() if n != "tracking"}
        reading = None if source.reading is None else source.reading.facts()
        return cls(
            run, record.job.arm, record.job.seed, configuration, facts_of(source), reading,
            record.state, (0, int(record.metrics["commits"])), dict(record.after),
            foreign.tags(experiment),
        )  # fmt: skip

    def write(self, folder: Path) -> list[Path]:
        """Write the folder's files, whole or not at all, and return them."""
        typed_file.write(folder / FILE, vars(self), _TITLE)
        (folder / MLFLOW).write_text(json.dumps(self._mlflow(), indent=1), encoding="utf-8")
        return [folder / FILE, folder / MLFLOW]

    @classmethod
    def read(cls, folder: Path) -> Saved:
        """Return what `write` wrote; raises UserError where it is not there or not whole."""
        path = folder / FILE if folder.is_dir() else folder
        try:
            return cls(**typed_file.read(path, _TITLE))
        except FileNotFoundError:
            raise UserError(
                f"model: found no {FILE} in {folder}, expected a model's folder"
            ) from None
        except typed_file.DAMAGED as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise UserError(f"model: {path} is no whole model ({reason})") from None

    @property
    def experiment(self) -> Experiment:
        """The configuration; UserError where this version or this machine lacks something."""
        foreign.must_have(self.kinds, f"as when {self.run} was trained")
        return validate(self.configuration)

    def model(self, device: str = "cpu", *, learn: bool = True) -> Model:
        """Return the live model; without `learn` no part of it ever learns.

        Raises UserError where this version or this machine lacks something.
        """
        experiment = self.experiment.model_copy(update={"device": device})
        arm = experiment.regime(self.arm)
        assert isinstance(arm, Arm)
        if not learn:
            names = experiment.pipeline_of(arm)[1:]
            arm = arm.model_copy(update={"freeze": tuple(dict.fromkeys((*arm.freeze, *names)))})
        builder = Builder(experiment, Known(self.facts))
        model = Model(builder.pipeline(arm, self.seed), schedule_of(arm))
        model.load(self.state)
        model.cursor = Cursor(*self.cursor)
        return model

    @property
    def reads(self) -> Reading | None:
        """How rows are read; None for data that are no series."""
        return None if self.reading is None else Reading.known(self.reading)

    def gone_on(self, model: Model, after: Mapping[str, Any], rows: int) -> Saved:
        """Return the same after more rows."""
        cursor = (model.cursor.pending, model.cursor.windows)
        return replace(self, state=model.state(), cursor=cursor, after=dict(after), rows=rows)

    def _mlflow(self) -> dict[str, Any]:
        """Return MLflow's description: what loads it, and what it is."""
        return {
            "flavors": {
                "python_function": {"loader_module": "htmrun.execution.pyfunc", "data": FILE},
                "htmrun": {
                    "version": self.version, "arm": self.arm, "seed": self.seed,
                    "state_hash": state_hash(self.state),
                },
            },
            "metadata": {"htmrun.run": self.run},
        }  # fmt: skip


@dataclass(frozen=True)
class Models:
    """Writes the models of a run's jobs, as long as all of them find room."""

    builder: Builder
    run: str
    quota: Quota

    def write(self, record: Finished, folder: Path) -> Iterator[Path]:
        """Write a job's model and yield its files; of one that is too much its name is kept."""
        files = Saved.of(self.builder, self.run, record).write(folder)
        if self.quota.takes(record.job.name, sum(file.stat().st_size for file in files)):
            yield from files
