"""Sampler and pruner as if no worker had ever died: trials that were lost do not show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from htmrun.sweep.trial import LOST


class SeededByPlace(BaseSampler):
    """Hands every question to a sampler made for that trial's place among those that count.

    The place is known once the trial exists, so workers that ask at the same moment never share
    a seed, and a sweep that was cut short goes on as it would have.
    """

    def __init__(self, make: Callable[[int], BaseSampler]) -> None:
        """Take `make`, which returns the sampler of a place."""
        self._make = make
        self._number, self._sampler = -1, make(0)

    def _of(self, study: Study, trial: FrozenTrial) -> BaseSampler:
        if trial.number != self._number:
            before = [t for t in study.get_trials(deepcopy=False) if t.number < trial.number]
            place = sum(LOST not in t.user_attrs for t in before)
            self._number, self._sampler = trial.number, self._make(place)
        return self._sampler

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Let the trial's sampler prepare."""
        self._of(study, trial).before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the dimensions that the trial's sampler chooses together."""
        return self._of(study, trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return values of the dimensions that are chosen together."""
        return self._of(study, trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:  # fmt: skip
        """Return the value of one dimension."""
        return self._of(study, trial).sample_independent(
            study, trial, param_name, param_distribution
        )

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Let the trial's sampler take note of what came out."""
        self._of(study, trial).after_trial(study, trial, state, values)


class CountingPruner(BasePruner):
    """Hands every question on with a study in which lost trials do not show."""

    def __init__(self, pruner: BasePruner) -> None:
        """Take who answers."""
        self._pruner = pruner

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether a trial is to be cut short."""
        counting: Any = _Counting(study)
        return self._pruner.prune(counting, trial)


class _Counting:
    """A study without its lost trials."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def get_trials(self, *values: Any, **named: Any) -> list[FrozenTrial]:
        return [t for t in self._study.get_trials(*values, **named) if LOST not in t.user_attrs]
