"""Which share of columns wins under local inhibition, by rule and by how many scores are equal.

`python benchmarks/local_ties.py` prints the table of docs/math.md: scores drawn evenly from some
number of levels on a grid of 64 x 32 columns that wraps around, the mean of 20 draws.

- *all equal before*: equal neighbours of a lower index count, whether they win or not.
- *k-th score*: a column wins whose score is at least the k-th highest around (BAMI; Cui 2017).
- *equal winners*: of equal neighbours those of a lower index count that win (NuPIC, math.md).
- *winners only*: of all neighbours only those that win count, best first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from htmrun.backends import topology
from htmrun.backends.parameters import round_half_up

GRID = (64, 32)
CASES = ((3, 0.1), (8, 0.1), (8, 0.02), (3, 0.02))
LEVELS = (1, 4, 16, 256, 1 << 30)
DRAWS = 20
Int = npt.NDArray[np.int64]
Rule = Callable[[Int, Int, int], int]


def all_equal_before(score: Int, near: Int, places: int) -> int:
    """Return how many win where every equal neighbour of a lower index counts."""
    own, index = score[:, None], np.arange(len(score))[:, None]
    beats = (score[near] > own) | ((score[near] == own) & (near < index))
    return int((beats.sum(1) < places).sum())


def kth_score(score: Int, near: Int, places: int) -> int:
    """Return how many reach the `places`-th highest score around them."""
    return int((score >= np.sort(score[near], axis=1)[:, -places]).sum())


def equal_winners(score: Int, near: Int, places: int) -> int:
    """Return how many win where equal neighbours of a lower index count if they win."""
    higher, won = (score[near] > score[:, None]).sum(1), np.zeros(len(score), np.bool_)
    for c in np.flatnonzero(higher < places):
        won[c] = higher[c] + won[near[c, score[near[c]] == score[c]]].sum() < places
    return int(won.sum())


def winners_only(score: Int, near: Int, places: int) -> int:
    """Return how many win where only winners count, the highest scores first."""
    won = np.zeros(len(score), np.bool_)
    for c in np.argsort(-score, kind="stable"):
        won[c] = won[near[c]].sum() < places
    return int(won.sum())


RULES: dict[str, Rule] = {
    "all equal before": all_equal_before,
    "k-th score": kth_score,
    "equal winners": equal_winners,
    "winners only": winners_only,
}


def main() -> None:
    """Print the table."""
    print("| radius | density | places | levels |", " | ".join(RULES), "|")
    print("| --- " * (4 + len(RULES)) + "|")
    for radius, density in CASES:
        flat, offsets = topology.neighbourhoods(GRID, radius, wrap=True)
        near = flat.reshape(len(offsets) - 1, -1)
        places = max(1, round_half_up(density * near.shape[1]))
        for levels in LEVELS:
            random = np.random.default_rng(0)
            draws = [random.integers(0, levels, len(near)) for _ in range(DRAWS)]
            shares = [
                np.mean([rule(d, near, places) for d in draws]) / len(near)
                for rule in RULES.values()
            ]
            name = f"{levels:,}" if levels < 1 << 30 else "all differ"
            wanted = f"{places} of {near.shape[1]} = {places / near.shape[1]:.3f}"
            print(f"| {radius} | {density} | {wanted} | {name} |", end="")
            print("".join(f" {share:.3f} |" for share in shares))


if __name__ == "__main__":
    main()
