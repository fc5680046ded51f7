"""Optuna's samplers and pruners by our names."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from htmrun._imports import optuna
from htmrun.backends import rng
from htmrun.config.space import Choice, Space
from htmrun.config.sweep import SweepParameters

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

INDEPENDENT = ("random", "grid", "qmc")
"""Samplers whose settings do not depend on what came out of earlier trials."""


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return Optuna's distribution of every dimension."""
    found: dict[str, Any] = {}
    kinds = optuna.distributions
    for path, dimension in space.items():
        if isinstance(dimension, Choice):
            found[path] = kinds.CategoricalDistribution(dimension.labels)
        elif dimension.whole:
            low, high = int(dimension.low), int(dimension.high)
            found[path] = kinds.IntDistribution(low, high, log=dimension.log)
        else:
            found[path] = kinds.FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    return found


def sampler_for(settings: SweepParameters) -> BaseSampler:
    """Return the sampler of a study; its seed belongs to (seed, place of the trial)."""
    from htmrun.sweep.seeding import SeededByPlace

    return SeededByPlace(lambda place: _sampler_of(settings, place))


def _sampler_of(settings: SweepParameters, place: int) -> BaseSampler:
    """Return the sampler that chooses the settings of the trial at `place`."""
    word = int(rng.hash2(rng.key(settings.seed, rng.Purpose.PROBE), place, 0))
    seed = word & 0x7FFFFFFF
    known = optuna.samplers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        makers: dict[str, Any] = {
            "tpe": lambda: known.TPESampler(seed=seed, multivariate=True, constant_liar=True),
            "random": lambda: known.RandomSampler(seed=seed),
            # The points of a grid are in the study before anyone asks.
            "grid": lambda: known.RandomSampler(seed=seed),
            "cmaes": lambda: known.CmaEsSampler(
                seed=settings.seed & 0x7FFFFFFF, warn_independent_sampling=False
            ),
            "gp": lambda: known.GPSampler(seed=seed),
            "qmc": lambda: known.QMCSampler(
                seed=settings.seed & 0x7FFFFFFF, scramble=True, warn_independent_sampling=False
            ),
            "nsga2": lambda: known.NSGAIISampler(seed=seed),
        }
        made: BaseSampler = makers[settings.sampler]()
    return made


def pruner_for(settings: SweepParameters, objectives: int) -> BasePruner:
    """Return the pruner; with several objectives there is none."""
    kind = settings.pruner or ("median" if objectives == 1 else "none")
    if kind == "none":
        return optuna.pruners.NopPruner()
    if kind == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=settings.prune_after)
    from htmrun.sweep.seeding import CountingPruner

    return CountingPruner(optuna.pruners.SuccessiveHalvingPruner())
