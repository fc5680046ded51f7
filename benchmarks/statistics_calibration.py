"""What the tests and intervals are worth at few seeds: measured by simulation, not assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.stats

from htmrun.compare.bootstrap import bootstrap_t_p, resamples
from htmrun.compare.sign_flips import sign_flip_p
from htmrun.compare.statistics import MARGIN, SIGNIFICANT

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]


def failing(size: float) -> Draw:
    """Return differences of an arm of which one seed in ten fails, by `size` spreads; mean 0."""
    return lambda g, shape: g.normal(size=shape) - size * ((g.random(shape) < 0.1) - 0.1)


# Differences with mean 0. Two arms that are exchangeable give symmetric differences; skewed ones
# come from an arm that is close to what can be reached at most, or now and then fails.
DISTRIBUTIONS: dict[str, Draw] = {
    "normal": lambda g, shape: g.normal(size=shape),
    "Laplace": lambda g, shape: g.laplace(size=shape),
    "Beta (8, 2)": lambda g, shape: g.beta(8, 2, shape) - 0.8,
    "Beta (9, .5)": lambda g, shape: g.beta(9, 0.5, shape) - 9 / 9.5,
    "10 % fail by 3": failing(3.0),
    "10 % fail by 5": failing(5.0),
    "exponential": lambda g, shape: g.exponential(size=shape) - 1.0,
    "lognormal (sigma .5)": lambda g, shape: g.lognormal(0, 0.5, shape) - np.exp(0.125),
    "lognormal (sigma 1)": lambda g, shape: g.lognormal(0, 1, shape) - np.exp(0.5),
}
COMPARISONS = 5000
_ROWS_AT_ONCE = 25


def chosen_p_values(rows: Floats) -> Floats:
    """Return the p-values that `htmrun compare` uses."""
    return np.minimum(1.0, np.maximum(sign_flip_p(rows), MARGIN * bootstrap_t_p(rows)))


def t_p_values(rows: Floats) -> Floats:
    """Return Student's two-sided p-value that each row's mean is 0."""
    return scipy.stats.ttest_1samp(rows, 0.0, axis=1).pvalue


def wilcoxon_p_values(rows: Floats) -> Floats:
    """Return Wilcoxon's exact two-sided p-value of each row; sizes must all be different."""
    ranks = np.abs(rows).argsort(1).argsort(1) + 1.0
    found = scipy.stats.wilcoxon(np.sign(rows) * ranks, axis=1, method="exact")
    return np.asarray(found.pvalue)


def johnson_p_values(rows: Floats) -> Floats:
    """Return the p-values of Johnson's t (1978), which takes the skewness off."""
    count = rows.shape[1]
    mean, spread = rows.mean(1), rows.std(1, ddof=1)
    third = ((rows - mean[:, None]) ** 3).mean(1)
    moved = mean + third / (6 * spread**2 * count) + third * mean**2 / (3 * spread**4)
    return 2 * scipy.stats.t.sf(np.abs(moved) / spread * np.sqrt(count), count - 1)


def bca_p_values(rows: Floats) -> Floats:
    """Return 0 where the 95 % BCa interval (Efron 1987) leaves 0 out, else 1."""
    times, weights = resamples(rows.shape[1])
    found = []
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        mean = some.mean(1, keepdims=True)
        drawn = some @ times / rows.shape[1]
        bias = scipy.special.ndtri((drawn < mean) @ weights)
        centred = some - mean
        bend = (centred**3).sum(1) / (6 * (centred**2).sum(1) ** 1.5)
        ends = [
            scipy.special.ndtr(bias + (bias + z) / (1 - bend * (bias + z)))
            for z in scipy.special.ndtri([SIGNIFICANT / 2, 1 - SIGNIFICANT / 2])
        ]
        below = (drawn <= 0) @ weights
        found.append(((ends[0] <= below) & (below <= ends[1])).astype(np.float64))
    return np.concatenate(found)


METHODS: Mapping[str, Callable[[Floats], Floats]] = {
    "Student's t": t_p_values,
    "Johnson's t": johnson_p_values,
    "BCa": bca_p_values,
    "Wilcoxon": wilcoxon_p_values,
    "sign flips": sign_flip_p,
    "bootstrap-t": bootstrap_t_p,
    "compare": chosen_p_values,
}


def drawn(
    distribution: str, seeds: int, comparisons: int, mean: float = 0.0, seed: int = 0
) -> Floats:
    """Return differences of `comparisons` pairs of arms, (comparisons, seeds).

    `mean` is the true mean, in standard deviations of the distribution.
    """
    place = list(DISTRIBUTIONS).index(distribution)
    draw = DISTRIBUTIONS[distribution]
    deviation = float(draw(np.random.default_rng(0), (1, 400_000)).std())
    generator = np.random.default_rng([seed, place, seeds])
    return draw(generator, (comparisons, seeds)) + mean * deviation


def shares(rows: Floats, methods: Mapping[str, Callable[[Floats], Floats]]) -> list[float]:
    """Return how many of the rows each method calls different from 0, as shares."""
    return [float((method(rows) < SIGNIFICANT).mean()) for method in methods.values()]


@dataclass(frozen=True)
class Chosen:
    """How often an arm that leads by chance alone is called better, as shares of experiments.

    `arm`: than some other arm; `best`: than every other arm; `control`: than some control.
    """

    arm: float
    best: float
    control: float


def wrong_leaders(
    arms: int, controls: int, seeds: int, distribution: str, *, experiments: int = 1000
) -> Chosen:
    """Return what comes of experiments in which all arms and controls are worth the same."""
    generator = np.random.default_rng([arms, controls, seeds])
    values = DISTRIBUTIONS[distribution](generator, (experiments * (arms + controls), seeds))
    table = values.reshape(experiments, arms + controls, seeds)
    leads = table[:, :arms].mean(2).argmax(1)
    leader = table[np.arange(experiments), leads]
    p = np.ones((experiments, arms + controls))
    for place in range(arms + controls):
        differences = leader - table[:, place]
        asked = (leads != place) & (differences.mean(1) > 0)
        p[asked, place] = chosen_p_values(differences[asked])
    others = np.sort(p[:, :arms], 1)[:, : arms - 1]
    holm = others * np.arange(arms - 1, 0, -1)
    return Chosen(
        float((holm[:, 0] < SIGNIFICANT).mean()),
        float((holm.max(1) < SIGNIFICANT).mean()),
        float((p[:, arms:].min(1) * controls < SIGNIFICANT).mean()),
    )
