"""What is said of a run in MLflow, in words: what it is, how to repeat it, what came out."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from htmrun.components.controls import ControlParameters
from htmrun.components.sources import Source
from htmrun.config.schema import Arm, Experiment, GrowingWindow
from htmrun.config.store_uri import hide_password
from htmrun.training.records import Job

NOTE = "mlflow.note.content"
"""The tag that MLflow shows as the description of a run or an experiment, as Markdown."""
_LONGEST = 4500
_LONGEST_DIGEST = 36
_BOOSTS = {
    "commit": "boost factors are recomputed at each commit",
    "epoch": "boost factors are recomputed between epochs",
    "never": "boost factors stay as they are",
}


@dataclass(frozen=True)
class DataSet:
    """A data set as MLflow keeps it; `digest` has at most 36 characters, None: unknown."""

    name: str
    digest: str
    source: str
    samples: int | None

    @classmethod
    def of(cls, source: Source, parameters: Any) -> DataSet:
        """Return what `source`, opened by `parameters`, reads."""
        plain = parameters.model_dump(mode="json")
        named = {name: plain[name] for name in ("kind", "name", "path") if plain.get(name)}
        digest = source.fingerprint[:_LONGEST_DIGEST]
        return cls(source.name[:500], digest, json.dumps(named), source.samples)


@dataclass(frozen=True)
class Descriptions:
    """Descriptions of a run's jobs and of its experiment.

    `overrides`: what the user changed, which is how the run is repeated.
    """

    experiment: Experiment
    run: str
    overrides: Sequence[str]

    def job(self, job: Job, answer: Sequence[str] = ()) -> str:
        """Return what an arm with a seed is, how to repeat it, and the answer of the whole run."""
        what = f"**{job.arm}**, seed {job.seed}: {in_words(self.experiment.regime(job.arm))}."
        parts = [what, self.experiment.description, *self._how(), *_said(answer)]
        return "\n\n".join(filter(None, parts))[:_LONGEST]

    def whole(self, answer: Sequence[str]) -> str:
        """Return what the experiment is, and what its latest run came to."""
        # The page shows the first line until one asks for more.
        latest = f"Latest run, `{self.run}`: {' '.join(answer)}"
        parts = [latest, self.experiment.description, *self._how()]
        return "\n\n".join(filter(None, parts))[:_LONGEST]

    def _how(self) -> list[str]:
        command = shlex.join(["htmrun", "train", *map(hide_password, self.overrides)])
        return [
            f"Repeat it: `htmrun rerun {self.run}`, or `{command}`.",
            f"Arms side by side, with statistics: `htmrun compare {self.run}`.",
        ]


def in_words(regime: Arm | ControlParameters) -> str:
    """Return what a regime or a control does, in a sentence without its end."""
    if isinstance(regime, ControlParameters):
        first = " ".join((type(regime).__doc__ or "").split("\n\n")[0].split())
        return f"a control. {first.rstrip('.')}"
    window = regime.learn_every
    if isinstance(window, GrowingWindow):
        learns = f"learns in windows that grow from {window.start} to {window.limit} samples"
    else:
        learns = "learns after each sample" if window == 1 else f"learns every {window} samples"
    parts = [learns, _BOOSTS[regime.boost_at]]
    parts += [f"{', '.join(regime.freeze)} never learns"] if regime.freeze else []
    parts += [f"without {', '.join(regime.bypass)}"] if regime.bypass else []
    parts += [f"pipeline {', '.join(regime.pipeline)}"] if regime.pipeline else []
    return "; ".join(parts)


def _said(answer: Sequence[str]) -> list[str]:
    return ["**Answer.** " + " ".join(answer)] if answer else []
