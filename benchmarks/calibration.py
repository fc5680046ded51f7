"""What the statistics of `htmrun compare` are worth: python benchmarks/calibration.py [--write].

Takes about a quarter of an hour of one core with the 5,000 comparisons a row that the page is made
with; `--comparisons 500` is a quick look. With --write it becomes docs/results/statistics.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import scipy.signal
from statistics_calibration import (
    COMPARISONS,
    DISTRIBUTIONS,
    METHODS,
    chosen_p_values,
    drawn,
    failing,
    shares,
    t_p_values,
    wrong_leaders,
)

from htmrun.compare.statistics import SIGNIFICANT, paired_difference, seeds_needed
from htmrun.compare.streams import diebold_mariano

RESULT = Path(__file__).parents[1] / "docs" / "results" / "statistics.md"
SEEDS = (6, 8, 10, 20)
FEW = (3, 5)
EFFECTS = (0.5, 1.0, 1.5, 2.0, 3.0)
STREAMS = 1000
EXPERIMENTS = 1000
WIDTHS = 400

INTRO = """# What the statistics are worth

Made on {date} by `python benchmarks/calibration.py --write` with {comparisons:,} simulated
comparisons a row: a share near 95 % is then right to within .6 points.

`htmrun compare` calls a difference significant where the larger of two p-values is under .05 after
Holm's correction: that of the permutation test of the mean (signs flipped; all are counted up to
14 seeds) and 2 times that of the bootstrap-t test (every resample counted up to 10 seeds). The
interval beside it holds every mean that this same test would not reject at .05. It therefore leaves
out 0 exactly where p is under .05, and the interval called (Holm) exactly where the corrected p is.
"""
COVERAGE = """
## How often the 95 % interval holds the true mean

In per cent, by the distribution of the differences. All intervals are those of a test turned round.
*Fails by 3*: normal differences of an arm of which one seed in ten comes out 3 spreads lower.
"""
AFTER = """
- Normal differences: everything but BCa keeps its promise, `compare`'s interval more than that.
- Skewed differences: Student's t, BCa, Wilcoxon and sign flips miss the mean too often, and all
  misses lie on one side, that of the long tail. The bootstrap-t and Johnson's t hold better but not
  with six seeds. What `compare` uses stays at 93 % or above in every row.
- It is an interval of the **mean**. Where skewness is as strong as that of a lognormal with sigma
  1 (6.2), it is at its limit; look at the values by seed before trusting a figure where one seed
  stands far out.
"""
FAILING = """
## What no interval can know

Seeds that fail by much. If one seed in ten fails, six seeds have none that did with a probability
of 53 %, ten with 35 %: nothing in such values says that the mean is lower. Share of `compare`'s
intervals that hold the true mean, in per cent, all and those in which a seed did fail:
"""
AFTER_FAILING = """
So by this much it can be off, whatever method is used. Without a failure in n seeds up to
1 - .05^(1/n) of all seeds may fail: 39 % with 6 seeds, 26 % with 10, 14 % with 20.
"""
FEW_SEEDS = """
## Below six seeds

Nothing is tested, and the interval is Student's t. How often it holds the true mean, in per cent:
"""
AFTER_FEW = """
It holds for normal differences only: as likely as not the one seed that matters is missing.
"""
POWER = """
## With a difference

Normal differences: share called significant, in per cent, by the true effect d_z (mean in standard
deviations), and how wide the interval is beside Student's t (median). That is the price of holding
for skewed differences, too. The last column is the number of seeds that `compare` estimates for
80 %.
"""
LEADERS = """
## The leader is chosen from the same data

All arms and controls are worth the same, and the arm with the best mean is compared with the
others, Holm's correction over the other arms, and over the controls. Share of {experiments:,}
experiments, in per cent, in which it is called better than some other arm, than every other arm,
than some control:
"""
AFTER_LEADERS = """
5 is what a test promises without a choice; choosing does not cost more than a point, because an
interval that holds for skewed differences has something to spare. To be called best, an arm must
beat every other one, which happens by chance in fewer than 5 % of experiments.
"""
STREAM = """
## One stream, two forecasters

Diebold and Mariano's test and the block bootstrap on {streams:,} pairs of loss series whose
difference has mean 0 and depends on the sample before (autoregressive, the given correlation).
"""
AFTER_STREAMS = """
Both call a little too much where losses hang together over long stretches of a short stream. Under
a thousand scored samples take a p-value close to .05 for nothing.
"""


def coverage(comparisons: int) -> list[str]:
    rows = [f"| differences | seeds | {' | '.join(METHODS)} |", "| --- |" + " ---: |" * 8]
    for name in DISTRIBUTIONS:
        for seeds in SEEDS:
            found = shares(drawn(name, seeds, comparisons), METHODS)
            rows.append(f"| {name} | {seeds} | {_percents(1 - share for share in found)} |")
    return rows


def failures(comparisons: int) -> list[str]:
    rows = ["| fails by | seeds | all | with a failed seed |", "| ---: |" + " ---: |" * 3]
    for size in (5.0, 10.0, 50.0):
        for seeds in (6, 10, 20):
            values = failing(size)(np.random.default_rng([int(size), seeds]), (comparisons, seeds))
            held = chosen_p_values(values) >= SIGNIFICANT
            failed = values.min(1) < 0.1 * size - size / 2
            rows.append(f"| {size:g} | {seeds} | {_percents((held.mean(), held[failed].mean()))} |")
    return rows


def few(comparisons: int) -> list[str]:
    rows = [f"| differences | {' | '.join(f'{n} seeds' for n in FEW)} |", "| --- |" + " ---: |" * 2]
    for name in DISTRIBUTIONS:
        held = [(t_p_values(drawn(name, n, comparisons)) >= SIGNIFICANT).mean() for n in FEW]
        rows.append(f"| {name} | {_percents(held)} |")
    return rows


def power(comparisons: int) -> list[str]:
    used = {name: METHODS[name] for name in ("Student's t", "sign flips", "compare")}
    rows = [
        f"| d_z | seeds | {' | '.join(used)} | width / t | seeds for 80 % |",
        "| ---: |" + " ---: |" * 6,
    ]
    for seeds in (6, 8, 10):
        for effect in EFFECTS:
            values = drawn("normal", seeds, comparisons, mean=effect, seed=1)
            found = _percents(shares(values, used))
            wide = _width(values[:WIDTHS])
            rows.append(f"| {effect} | {seeds} | {found} | {wide:.2f} | {seeds_needed(effect)} |")
    return rows


def _width(values: np.ndarray) -> float:
    found = []
    half = scipy.stats.t.ppf(0.975, values.shape[1] - 1) / np.sqrt(values.shape[1])
    for row in values:
        d = paired_difference("a", "b", dict(enumerate(row)), dict.fromkeys(range(len(row)), 0.0))
        assert d.low is not None
        assert d.high is not None
        found.append((d.high - d.low) / (2 * half * row.std(ddof=1)))
    return float(np.median(found))


def leaders(experiments: int) -> list[str]:
    rows = [
        "| differences | arms | controls | seeds | some arm | every arm | some control |",
        "| --- |" + " ---: |" * 6,
    ]
    for name in ("normal", "10 % fail by 5"):
        for arms, controls in ((2, 2), (3, 2), (5, 3)):
            for seeds in (8, 10):
                c = wrong_leaders(arms, controls, seeds, name, experiments=experiments)
                cells = _percents((c.arm, c.best, c.control))
                rows.append(f"| {name} | {arms} | {controls} | {seeds} | {cells} |")
    return rows


def streams(count: int) -> list[str]:
    rows = [
        "| correlation | samples | called significant, % | block interval misses 0, % |",
        "| ---: | ---: | ---: | ---: |",
    ]
    generator = np.random.default_rng(3)
    for correlation in (0.0, 0.5, 0.8):
        for samples in (500, 4000):
            significant = missed = 0
            for _ in range(count):
                noise = generator.normal(size=samples)
                noise[0] /= np.sqrt(1 - correlation**2)
                series = scipy.signal.lfilter([1.0], [1.0, -correlation], noise)
                found = diebold_mariano("a", "b", "loss", series, 1)
                assert found is not None
                significant += found.p < SIGNIFICANT
                missed += not found.low <= 0 <= found.high
            cells = _percents((significant / count, missed / count))
            rows.append(f"| {correlation} | {samples} | {cells} |")
    return rows


def _percents(shares: Iterable[float]) -> str:
    return " | ".join(f"{100 * share:.1f}" for share in shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=COMPARISONS, help="comparisons a row")
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}")
    chosen = parser.parse_args()
    count = chosen.comparisons
    some, streamed = min(EXPERIMENTS, count), min(STREAMS, count)
    intro = INTRO.format(comparisons=count, date=time.strftime("%Y-%m-%d"))
    page = "\n".join(
        [
            *intro.splitlines(), COVERAGE, *coverage(count), AFTER, FAILING.strip("\n"), "",
            *failures(count), AFTER_FAILING, FEW_SEEDS.strip("\n"), "", *few(count), AFTER_FEW,
            POWER.strip("\n"), "", *power(count), LEADERS.format(experiments=some), *leaders(some),
            AFTER_LEADERS, STREAM.format(streams=streamed).strip("\n"), "", *streams(streamed),
            *AFTER_STREAMS.splitlines(), "",
        ]
    )  # fmt: skip
    print(page)
    if chosen.write:
        RESULT.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
