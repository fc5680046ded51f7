"""A sampler whose seed belongs to the trial that it chooses for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState


class SeededByTrial(BaseSampler):
    """Hands every question to a sampler made for that trial's number.

    The number is known once the trial exists, so workers that ask at the same moment never share
    a seed, and a sweep that was cut short goes on as it would have.
    """

    def __init__(self, make: Callable[[int], BaseSampler]) -> None:
        """Take `make`, which returns the sampler of a trial's number."""
        self._make = make
        self._number, self._sampler = -1, make(0)

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        if trial.number != self._number:
            self._number, self._sampler = trial.number, self._make(trial.number)
        return self._sampler

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Let the trial's sampler prepare."""
        self._of(trial).before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the dimensions that the trial's sampler chooses together."""
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return values of the dimensions that are chosen together."""
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:  # fmt: skip
        """Return the value of one dimension."""
        return self._of(trial).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Let the trial's sampler take note of what came out."""
        self._of(trial).after_trial(study, trial, state, values)
