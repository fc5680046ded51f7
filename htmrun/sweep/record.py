"""A sweep in MLflow: a parent run for the study, below it one run for each trial.

Everything here is written from the study, which is the truth: what could not be written, or was
cut short, is written at the next start of the sweep.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from htmrun._imports import mlflow
from htmrun.components import foreign
from htmrun.errors import UserError
from htmrun.execution.signals import uninterrupted
from htmrun.sweep.study import ERROR, FIGURES, HASHES, OWNER, SURPLUS, SharedStudy
from htmrun.sweep.trial import LOST
from htmrun.tracking.provenance import code_tags, version_tags
from htmrun.tracking.scratch import scratch
from htmrun.tracking.settings import flatten, legal_name, to_yaml
from htmrun.tracking.store import (
    all_runs,
    experiment_id,
    explained,
    hide_password,
    open_client,
    store_uri,
)

SWEEP_TAG, TRIAL_TAG, KIND_TAG = "htmrun.sweep", "htmrun.trial", "htmrun.kind"
STATE_TAG, WANTED_TAG, OBJECTIVES_TAG = "htmrun.state", "htmrun.wanted", "htmrun.objectives"
PARENT, RECORD = "mlflow_run", "record"
_STATES = {"COMPLETE": "FINISHED", "PRUNED": "FINISHED", "FAIL": "FAILED"}
_LONGEST = 5000


class SweepRecord:
    """Writes one worker's trials below the study's parent run; a lost server stops nothing."""

    def __init__(
        self, shared: SharedStudy, uri: str | None, directory: Path, experiment: str,
        notice: Callable[[str], None],
    ) -> None:  # fmt: skip
        """Open the store; raises UserError when it cannot be used."""
        self._shared, self._notice = shared, notice
        self._uri = store_uri(uri, directory)
        self._client = open_client(self._uri, notice)
        with explained(self._uri):
            artifacts = directory / "artifacts"
            self._experiment = experiment_id(self._client, self._uri, experiment, artifacts)
            self._tags = {
                SWEEP_TAG: shared.sweep.name,
                "htmrun.experiment": shared.sweep.base.name,
                **code_tags(),
                **version_tags(),
                **foreign.tags(shared.sweep.base),
                **shared.owner,
                "mlflow.source.name": "htmrun sweep",
            }
            self.parent = self._find_parent()
            # Of whoever took it up last, with as many trials as that one wants.
            self._log(self.parent, tags={**shared.owner, **self._aim()})
            self._children = self._find_children()
        self._warned = False

    def _find_parent(self) -> str:
        """Return the id of the parent run; the study's creator makes it, others wait for it."""
        shared = self._shared
        deadline = time.monotonic() + (0 if shared.created else 30)
        while (known := shared.study.user_attrs.get(PARENT)) is None:
            if time.monotonic() > deadline:
                return self._make_parent()
            time.sleep(0.2)
        run, uri = known
        if uri != hide_password(self._uri):
            # Trials in two stores would be in neither.
            raise UserError(
                f"tracking.uri: found {hide_password(self._uri)}, but the study "
                f"'{shared.sweep.name}' is recorded in {uri}, expected the same store"
            )
        self._client.update_run(run, status="RUNNING")
        return str(run)

    def _aim(self) -> dict[str, str]:
        objectives = ",".join(f"{name}:{way}" for name, way in self._shared.objectives.items())
        return {WANTED_TAG: str(self._shared.wanted), OBJECTIVES_TAG: objectives}

    def _make_parent(self) -> str:
        sweep, study = self._shared.sweep, self._shared.study
        if RECORD not in study.user_attrs:
            study.set_user_attr(RECORD, secrets.token_hex(8))
        key, value = f"htmrun.{RECORD}", study.user_attrs[RECORD]
        # Whoever made it may have died before the study knew of it.
        found = all_runs(self._client, [self._experiment], f"tags.`{key}` = '{value}'")
        if not found:
            tags = {**self._tags, key: value, KIND_TAG: "sweep"}
            found = [self._client.create_run(self._experiment, tags=tags, run_name=sweep.name)]
        run = str(found[0].info.run_id)
        if not found[0].data.params:
            settings = sweep.settings.model_dump(mode="json", exclude={"storage"})
            self._log(run, parameters=flatten({**settings, "arm": sweep.arm}))
        study.set_user_attr(PARENT, [run, hide_password(self._uri)])
        return run

    def _find_children(self, also: str = "") -> dict[int, str]:
        query = f"tags.`{SWEEP_TAG}` = '{self._shared.sweep.name}' AND tags.`{TRIAL_TAG}` LIKE '%'"
        query += also
        found = all_runs(self._client, [self._experiment], query)
        mine = [r for r in found if r.data.tags.get("mlflow.parentRunId") == self.parent]
        return {int(run.data.tags[TRIAL_TAG]): run.info.run_id for run in mine}

    # --- trials ---------------------------------------------------------------------------

    def begin(self, number: int, configuration: Mapping[str, Any]) -> None:
        """Open the run of a trial, with the whole configuration that it runs."""
        self._carefully(lambda: self._begin(number, configuration))

    def end(self, number: int) -> None:
        """Write what the study knows of a trial that has ended."""
        self._carefully(lambda: self._end(number))

    def catch_up(self) -> None:
        """Write what others have left unwritten: they died, or the server was away."""
        self._carefully(self._catch_up)

    def close(self, status: str, artifacts: list[Path]) -> None:
        """Attach files to the parent and end it: FINISHED, or KILLED when cut short."""
        self._carefully(lambda: self._close(status, artifacts))

    def _carefully(self, write: Callable[[], object]) -> None:
        # Cut off in the middle, a transaction would keep the database locked for `close`.
        with uninterrupted():
            self._or_warn(write)

    def _or_warn(self, write: Callable[[], object]) -> None:
        try:
            write()
        except Exception as error:
            if not self._warned:
                cause = hide_password(" ".join(str(error).split()))[:200]
                self._notice(
                    f"warning: logging to MLflow failed ({cause}); the study keeps everything, and "
                    "the next start of this sweep writes what is missing"
                )
            self._warned = True

    def _begin(self, number: int, configuration: Mapping[str, Any] | None) -> str:
        trial = self._trial(number)
        tags = {
            **self._tags,
            TRIAL_TAG: str(number),
            KIND_TAG: "trial",
            "mlflow.parentRunId": self.parent,
        }
        started = trial.datetime_start
        made = self._client.create_run(
            self._experiment,
            start_time=None if started is None else int(started.timestamp() * 1000),
            tags=tags,
            run_name=f"trial-{number:04d}",
        )
        run = self._children[number] = str(made.info.run_id)
        self._log(run, parameters=flatten(trial.params))
        if configuration is not None:
            with scratch() as folder:
                path = folder / "resolved.yaml"
                path.write_text(to_yaml(configuration), encoding="utf-8")
                self._client.log_artifact(run, str(path))
        return run

    def _end(self, number: int) -> None:
        trial = self._trial(number)
        if number not in self._children:
            self._children = self._find_children()
        run = self._children.get(number) or self._begin(number, None)
        objectives = [*self._shared.objectives]
        now = int(trial.datetime_complete.timestamp() * 1000)
        curve = [
            (objectives[0], value, now, step) for step, value in trial.intermediate_values.items()
        ]
        last = max(trial.intermediate_values, default=0) + 1
        figures = trial.user_attrs.get(FIGURES, {})
        values = dict(zip(objectives, trial.values or (), strict=False))
        finals = [
            (name, value, now + 1, last if name == objectives[0] and curve else 0)
            for name, value in {**figures, **values}.items()
        ]
        tags = {STATE_TAG: trial.state.name.lower()}
        for key, name in ((ERROR, "htmrun.error"), (HASHES, "htmrun.state_hash")):
            if key in trial.user_attrs:
                value = trial.user_attrs[key]
                text = value if isinstance(value, str) else ",".join(value)
                tags[name] = text[:_LONGEST]
        self._log(run, curve + finals, tags=tags)
        status = "KILLED" if LOST in trial.user_attrs else _STATES[trial.state.name]
        self._client.set_terminated(run, status, now + 1)

    def _catch_up(self) -> None:
        written = self._find_children(" AND attributes.status != 'RUNNING'")
        for trial in self._shared.study.get_trials(deepcopy=False):
            owner = trial.user_attrs.get(OWNER)
            ours = owner in (None, self._shared.owner)
            abandoned = ours or self._shared.works(owner) is False
            never_run = trial.user_attrs.get(LOST) == SURPLUS
            if (
                trial.state.is_finished()
                and trial.number not in written
                and abandoned
                and not never_run
            ):
                self._end(trial.number)

    def _close(self, status: str, artifacts: list[Path]) -> None:
        for path in artifacts:
            self._client.log_artifact(self.parent, str(path))
        if status == "FINISHED":  # Cut short, there will be another figure.
            ended = self._shared.ended()
            # The same once more where this is cut short.
            last = max((t.datetime_complete.timestamp() for t in ended if t.datetime_complete),
                       default=0.0)  # fmt: skip
            self._log(self.parent, [("trials", float(len(ended)), int(1000 * last), 0)])
        self._client.set_terminated(self.parent, status)

    def _trial(self, number: int) -> Any:
        return self._shared.study.get_trials(deepcopy=False)[number]

    def _log(
        self,
        run: str,
        points: list[tuple[str, float, int, int]] | None = None,
        parameters: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        entities = mlflow.entities
        metrics = [entities.Metric(legal_name(n), float(v), t, s) for n, v, t, s in points or ()]
        params = [entities.Param(*pair) for pair in (parameters or {}).items()]
        for first in range(0, max(len(metrics), len(params), 1), 90):
            some = slice(first, first + 90)
            pairs = [entities.RunTag(*pair) for pair in (tags or {}).items()] if first == 0 else []
            self._client.log_batch(run, metrics[some], params[some], pairs, synchronous=True)
