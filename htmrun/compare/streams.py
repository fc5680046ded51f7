"""Two forecasters of one stream: is the mean difference of their losses more than noise?

Losses of neighbouring samples depend on each other, so their number says little. Diebold and
Mariano 1995, with the long-run variance of Newey and West 1987 (Bartlett weights) by statsmodels;
beside it an interval from the circular block bootstrap of Politis and Romano 1992.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from htmrun._imports import statsmodels
from htmrun.compare.statistics import holm
from htmrun.tracking.arrays import Series

FEWEST_SAMPLES = 100
RESAMPLES = 2000
_SEED = 94


@dataclass(frozen=True)
class StreamDifference:
    """Mean loss of `arm` minus that of `reference` over a stream, per sample.

    `low`..`high` is the 95 % block bootstrap interval, `statistic` and `p` are Diebold and
    Mariano's (two-sided), `p_holm` the same after Holm's correction; `lags`: how far samples were
    taken to depend on each other.
    """

    arm: str
    reference: str
    loss: str
    samples: int
    mean: float
    low: float
    high: float
    statistic: float
    p: float
    lags: int
    p_holm: float | None = None


def lags_for(series: npt.NDArray[np.float64], horizon: int) -> int:
    """Return how many samples back a loss is taken to matter: at least the horizon minus one.

    Andrews 1991 for Bartlett weights, from the correlation of neighbours, but not fewer than Newey
    and West's 4 (n/100)^(2/9) and not more than a fifth of the series.
    """
    count = len(series)
    centred = series - series.mean()
    power = float(centred @ centred)
    rho = float(centred[1:] @ centred[:-1]) / power if power > 0 else 0.0
    rho = min(0.97, max(-0.97, rho))
    alpha = 4 * rho**2 / ((1 - rho) ** 2 * (1 + rho) ** 2)
    rule = max(4 * (count / 100) ** (2 / 9), 1.1447 * (alpha * count) ** (1 / 3))
    return max(horizon - 1, min(count // 5, math.floor(rule)))


def diebold_mariano(
    arm: str, reference: str, loss: str, difference: npt.ArrayLike, horizon: int
) -> StreamDifference | None:
    """Return the test of `difference`, the loss of `arm` minus the reference's in stream order.

    NaN where a sample was not scored. None below 100 scored samples, or where nothing differs.
    """
    series = np.asarray(difference, np.float64)
    series = series[np.isfinite(series)]
    if len(series) < FEWEST_SAMPLES or not series.any():
        return None
    lags = lags_for(series, horizon)
    fit = statsmodels.regression.linear_model.OLS(series, np.ones(len(series))).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True}, use_t=True
    )
    low, high = block_interval(series, lags)
    return StreamDifference(
        arm, reference, loss, len(series), float(series.mean()), low, high,
        float(fit.tvalues[0]), float(fit.pvalues[0]), lags,
    )  # fmt: skip


def corrected(found: Sequence[StreamDifference]) -> list[StreamDifference]:
    """Return `found` with `p_holm` filled in: they are one family."""
    if not found:
        return []
    values = holm([d.p for d in found])
    return [replace(d, p_holm=float(p)) for d, p in zip(found, values, strict=True)]


def horizons(series: Series) -> list[int]:
    """Return the horizons for which losses along a stream were kept."""
    names = {name for seeds in series.values() for arrays in seeds.values() for name in arrays}
    return sorted(int(name.removeprefix("loss/")) for name in names if name.startswith("loss/"))


def stream_differences(
    series: Series, arms: Sequence[str], reference: str | None, task: str
) -> Iterator[StreamDifference]:
    """Yield, by horizon, each arm against the reference along the stream, losses averaged by seed.

    Only where both kept losses of equal length; Holm's correction is over the arms of one horizon.
    """
    loss = "squared error" if task == "forecast" else "error rate"
    for horizon in horizons(series):
        found: list[StreamDifference] = []
        base = _losses(series.get(reference or "", {}), horizon)
        for arm in arms:
            ours = _losses(series.get(arm, {}), horizon)
            seeds = sorted(ours.keys() & base.keys())
            if arm == reference or not seeds:
                continue
            differences = [ours[seed].astype(np.float64) - base[seed] for seed in seeds
                           if len(ours[seed]) == len(base[seed])]  # fmt: skip
            if not differences or len({len(d) for d in differences}) > 1:
                continue
            mean = np.mean(differences, axis=0)
            name = f"{loss}, {horizon} ahead"
            tested = diebold_mariano(arm, reference or "", name, mean, horizon)
            found += [] if tested is None else [tested]
        yield from corrected(found)


def block_interval(
    series: npt.NDArray[np.float64], lags: int, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Return the 95 % interval of the mean by the circular block bootstrap, always the same.

    A block is as long as the cube root of the samples, and longer than the lags.
    """
    count = len(series)
    length = min(count, max(lags + 1, round(count ** (1 / 3))))
    # Sums of all circular blocks at once; a resample is a mean of such sums.
    total = np.cumsum(np.concatenate([[0.0], series, series[: length - 1]]))
    sums = total[length:] - total[:-length]
    blocks = -(-count // length)
    starts = np.random.default_rng(_SEED).integers(0, count, (resamples, blocks))
    means = sums[starts].sum(1) / (blocks * length)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _losses(seeds: Mapping[int, Mapping[str, np.ndarray]], horizon: int) -> dict[int, np.ndarray]:
    name = f"loss/{horizon}"
    return {seed: arrays[name] for seed, arrays in seeds.items() if name in arrays}
