"""A study that several workers share, that survives their death, and that ends at N trials.

Optuna keeps the trials. Ours is what makes them exact: who runs a trial stands in it, with a beat
that goes on; a trial whose worker is gone is run again under a new number; and where workers race
for the last ones, those above N are taken back.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htmrun._imports import optuna
from htmrun.components import foreign
from htmrun.config.space import grid
from htmrun.config.store_uri import hide_password
from htmrun.config.sweep import Sweep
from htmrun.config.validation import deciding
from htmrun.errors import UserError
from htmrun.sweep.samplers import distributions, pruner_for, sampler_for
from htmrun.sweep.storage import open_storage
from htmrun.sweep.trial import LOST
from htmrun.tracking import holding
from htmrun.tracking.provenance import process_lives, process_tags

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

BEAT_S = 10.0
GRACE_S = 60.0
"""A trial of another machine whose beat stands still for so long has lost its worker."""
READY_S = 30.0

OWNER, BEAT, ATTEMPT, ERROR, FIGURES, HASHES = (
    "owner", "beat", "attempt", "error", "figures", "hashes",
)  # fmt: skip
FIRST = "first"
"""Of a trial that is run again: the number under which it was begun first."""
WORKER_TAG = "htmrun.worker"
"""Name of the lock that a worker of a sweep holds."""
BETWEEN = "~"
INTERRUPTED, SURPLUS = "interrupted", "surplus"


def signature(sweep: Sweep, objectives: Mapping[str, str], data: str) -> dict[str, Any]:
    """Return what must be the same for trials to belong together."""
    settings = sweep.settings.model_dump(
        mode="json", include={"seeds", "sampler", "seed", "pruner", "prune_after", "space"}
    )
    experiment = deciding(sweep.base)
    kinds = foreign.used(sweep.base)
    return {
        **settings,
        **({"kinds": kinds} if kinds else {}),
        "arm": sweep.arm,
        "objectives": dict(objectives),
        "data": data,
        "experiment": hashlib.sha256(json.dumps(experiment, sort_keys=True).encode()).hexdigest(),
    }


def worker_name(sweep: Sweep) -> str:
    """Return a name for the lock of a new worker."""
    return f"{sweep.name}{BETWEEN}{secrets.token_hex(4)}"


def _inside(where: str, sweep: Sweep) -> bool:
    """Return whether a study is a file in the sweep's own folder of runs."""
    home = Path(sweep.base.tracking.dir).resolve()
    return "://" not in where and Path(where).resolve().is_relative_to(home)


def _first(trial: FrozenTrial) -> int:
    return int(trial.user_attrs.get(FIRST, trial.number))


@dataclass
class SharedStudy:
    """The study of one sweep, as one of its workers sees it."""

    study: optuna.Study
    sweep: Sweep
    objectives: Mapping[str, str]
    created: bool
    owner: dict[str, str] = field(default_factory=process_tags)
    at_home: bool = False
    """Whether all workers have their locks in this one's folder of runs."""
    _seen: dict[int, tuple[Any, float]] = field(default_factory=dict)

    # --- opening --------------------------------------------------------------------------

    @classmethod
    def open(
        cls, sweep: Sweep, where: str, objectives: Mapping[str, str], data: str, worker: str = ""
    ) -> SharedStudy:
        """Open the study at `where`, or create it; UserError if another one has its name.

        worker: the lock that this process holds meanwhile.
        """
        storage = open_storage(where)
        name = sweep.name
        settings: dict[str, Any] = {
            "study_name": name,
            "storage": storage,
            "sampler": sampler_for(sweep.settings),
            "pruner": pruner_for(sweep.settings, len(objectives)),
        }
        wanted = signature(sweep, objectives, data)
        try:
            study = optuna.create_study(directions=list[Any](objectives.values()), **settings)
            created = True
        except optuna.exceptions.DuplicatedStudyError:
            study = optuna.load_study(**settings)
            created = False
        owner = {**process_tags(), WORKER_TAG: worker}
        shared = cls(study, sweep, objectives, created, owner, at_home=_inside(where, sweep))
        if created:
            study.set_user_attr("signature", wanted)
        else:
            shared._must_match(wanted, where)
        return shared

    def _must_match(self, wanted: Mapping[str, Any], where: str) -> None:
        deadline = time.monotonic() + READY_S
        while (found := self.study.user_attrs.get("signature")) is None:
            # Whoever creates the study writes this right after, or is gone.
            empty = not self.study.user_attrs and not self.study.get_trials(deepcopy=False)
            if self._alone() and empty:
                self.created = True
                self.study.set_user_attr("signature", wanted)
                return
            if time.monotonic() > deadline:
                raise UserError(
                    f"sweep.name: '{self.study.study_name}' in {hide_password(where)} is a study "
                    "of something else, expected another name"
                )
            time.sleep(0.2)
        other = [key for key in wanted if found.get(key) != wanted[key]]
        if other:
            words = ", ".join("settings of the experiment" if k == "experiment" else k
                              for k in other)  # fmt: skip
            raise UserError(
                f"sweep.name: the study '{self.study.study_name}' was begun with another {words}; "
                "repeat its command to continue it, or give sweep.name=NAME for a new one"
            )

    def prepare(self) -> None:
        """Enter the trials that are known from the start, once for all workers."""
        self.revive()
        if self.study.user_attrs.get("ready"):
            return
        if not (self.created or self._alone()):
            deadline = time.monotonic() + READY_S
            while time.monotonic() < deadline:
                if self.study.user_attrs.get("ready"):
                    return
                time.sleep(0.2)
        # The creator, or one who comes after a creator that died meanwhile.
        known = [t.system_attrs.get("fixed_params") for t in self.trials()]
        for point in self._known_points():
            if point not in known:
                self.study.enqueue_trial(point)
        self.study.set_user_attr("ready", True)

    def _known_points(self) -> list[dict[str, Any]]:
        settings = self.sweep.settings
        if settings.sampler == "grid":
            return grid(self.sweep.space, settings.grid_points)
        default = self.sweep.default() if settings.start_with_default else None
        return [] if default is None else [default]

    # --- trials ---------------------------------------------------------------------------

    @property
    def wanted(self) -> int:
        """How many trials make the sweep complete."""
        settings = self.sweep.settings
        if settings.sampler != "grid":
            return settings.trials
        return min(settings.trials, len(grid(self.sweep.space, settings.grid_points)))

    def trials(self) -> list[FrozenTrial]:
        """Return all trials that count, those of lost workers left out, as they were begun first.

        One that is run again stands where it would have been.
        """
        found = self.study.get_trials(deepcopy=False)
        return sorted((t for t in found if not t.user_attrs.get(LOST)), key=_first)

    def begun(self) -> list[FrozenTrial]:
        """Return the trials that count and are running or have ended."""
        return [t for t in self.trials() if t.state.name != "WAITING"]

    def ended(self) -> list[FrozenTrial]:
        """Return the trials that count and have ended, well or not."""
        return [t for t in self.trials() if t.state.is_finished()]

    def complete(self) -> list[FrozenTrial]:
        """Return the trials that have all their values."""
        return [t for t in self.trials() if t.state.name == "COMPLETE"]

    def ask(self) -> Trial | None:
        """Begin a trial; None if there are enough."""
        while len(self.begun()) < self.wanted:
            trial = self.study.ask(distributions(self.sweep.space))
            trial.set_user_attr(OWNER, self.owner)
            earlier = [t for t in self.begun() if t.number < trial.number]
            again = int(trial.user_attrs.get(FIRST, -1)) in map(_first, earlier)
            if len(earlier) < self.wanted and not again:
                return trial
            # Somebody else was faster with the last one.
            trial.set_user_attr(LOST, SURPLUS)
            self.fail(trial.number, "more workers than trials were left")
        return None

    def tell(self, number: int, values: list[float]) -> None:
        """End a trial well."""
        self.study.tell(number, values)

    def prune(self, number: int) -> None:
        """End a trial that was cut short."""
        self.study.tell(number, state=optuna.trial.TrialState.PRUNED)

    def fail(self, number: int, error: str) -> bool:
        """End a trial badly; False if somebody else has ended it."""
        try:
            self._attribute(number, ERROR, error[:2000])
            self.study.tell(number, state=optuna.trial.TrialState.FAIL)
        except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
            return False
        return True

    def requeue(self, number: int, reason: str) -> bool:
        """Take down that a trial's worker is gone and run it again; False if it is given up."""
        trial = self.study.get_trials(deepcopy=False)[number]
        attempt = int(trial.user_attrs.get(ATTEMPT, 1))
        if attempt > self.sweep.settings.retries:
            self.fail(number, f"{reason}, {attempt} times")
            return False
        try:
            self._attribute(number, LOST, reason)
        except RuntimeError:  # It has ended meanwhile.
            return True
        if self.fail(number, reason):
            self._again(trial, attempt + 1)
        return True

    def _again(self, trial: FrozenTrial, attempt: int) -> None:
        point = trial.system_attrs.get("fixed_params") or trial.params
        self.study.enqueue_trial(point, user_attrs={ATTEMPT: attempt, FIRST: _first(trial)})

    def revive(self) -> None:
        """Run lost trials again whose finder died before it could say so.

        Where two do this at once, `ask` leaves one of them out.
        """
        found = self.study.get_trials(deepcopy=False)
        for trial in found:
            reason = trial.user_attrs.get(LOST)
            later = (t for t in found if t.number > trial.number)
            if reason in (None, SURPLUS) or _first(trial) in map(_first, later):
                continue
            self.fail(trial.number, reason)
            self._again(trial, int(trial.user_attrs.get(ATTEMPT, 1)) + (reason != INTERRUPTED))

    def put_back(self, number: int) -> None:
        """Take back a running trial that nobody is to blame for, and have it run again.

        One that has ended stays as it is.
        """
        trial = self.study.get_trials(deepcopy=False)[number]
        attempt = int(trial.user_attrs.get(ATTEMPT, 1))
        try:
            self._attribute(number, LOST, INTERRUPTED)
        except RuntimeError:
            return
        if self.fail(number, INTERRUPTED):
            self._again(trial, attempt)

    def beat(self, numbers: list[int]) -> None:
        """Say that these trials' worker lives."""
        for number in numbers:
            self._attribute(number, BEAT, time.time())

    def stale(self, own: set[int]) -> list[int]:
        """Return the running trials whose worker is gone.

        Its lock tells; where that is in another folder, its process on this machine, and elsewhere
        a beat that stands still for GRACE_S.
        """
        now, found = time.monotonic(), []
        for trial in self.begun():
            if trial.state.is_finished() or trial.number in own:
                continue
            owner, beat = trial.user_attrs.get(OWNER), trial.user_attrs.get(BEAT)
            seen, since = self._seen.get(trial.number, (None, now))
            if trial.number not in self._seen or seen != beat:
                self._seen[trial.number] = (beat, now)
                since = now
            works = self.works(owner)
            if works is False or (works is None and now - since > GRACE_S):
                found.append(trial.number)
        return found

    def works(self, owner: Mapping[str, str] | None) -> bool | None:
        """Return whether a trial's worker is at work; None where that cannot be told from here.

        owner: what stands in the trial, None if its worker had not come to that.
        """
        if owner is None:
            return False if self._alone() else None
        held = holding.held(self._folder, owner.get(WORKER_TAG, ""))
        if held is None and self.at_home and WORKER_TAG in owner:
            return False
        if held is None:
            return None if process_lives(owner) else False
        return held

    def _alone(self) -> bool:
        """Return whether certainly no other worker of this sweep is at work."""
        if not self.at_home:
            return False
        names = (self._folder / holding.FOLDER).glob(f"{self.sweep.name}{BETWEEN}*")
        others = {path.name for path in names} - {self.owner.get(WORKER_TAG)}
        return not any(holding.held(self._folder, name) for name in others)

    @property
    def _folder(self) -> Path:
        return Path(self.sweep.base.tracking.dir)

    def set(self, number: int, key: str, value: Any) -> None:
        """Keep something with a trial that runs."""
        self._attribute(number, key, value)

    def _attribute(self, number: int, key: str, value: Any) -> None:
        trials = self.study.get_trials(deepcopy=False)
        # Optuna has this for the trial that it handed out itself, but not for those of others.
        self.study._storage.set_trial_user_attr(trials[number]._trial_id, key, value)
