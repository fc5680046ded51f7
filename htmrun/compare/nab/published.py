"""What others reached, where their scores of single rows are not at hand.

Figures hold for the files that they were measured on, and for no others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_PROFILES = ("standard", "reward_low_FP_rate", "reward_low_FN_rate")
_CATEGORIES = ("artificialNoAnomaly", "artificialWithAnomaly", "realKnownCause", "realTraffic")


@dataclass(frozen=True)
class Published:
    """Normalized scores under the best threshold, by detector and profile; of which `files`."""

    source: str
    files: str
    scores: dict[str, dict[str, float]]


def _rows(rows: dict[str, tuple[float, ...]]) -> dict[str, dict[str, float]]:
    return {name: dict(zip(_PROFILES, row, strict=False)) for name, row in rows.items()}


WHOLE = Published(
    "scoreboard of the benchmark's repository, github.com/numenta/NAB",
    "the whole corpus of 58 files",
    _rows({
        "ARTime": (74.9, 65.2, 80.4), "Numenta HTM": (70.1, 63.1, 74.3),
        "CAD OSE": (69.9, 67.0, 73.2), "htm.java": (65.5,), "Numenta TM": (64.6,),
        "KNN CAD": (58.0,), "random cut forest": (51.7,), "windowed Gaussian": (39.7,),
        "random": (16.8,),
    }),
)  # fmt: skip
FOUR = Published(
    "the detectors' published anomaly scores, scored by the benchmark's own program",
    f"the 25 files of {', '.join(_CATEGORIES)}",
    _rows({
        "ARTime": (74.60,), "Numenta HTM": (67.21, 61.15, 72.15), "htm.java": (64.55,),
        "CAD OSE": (64.45,), "Numenta TM": (61.31,), "relative entropy": (60.27,),
        "random cut forest": (57.70,), "KNN CAD": (45.91, 30.15, 53.69),
        "windowed Gaussian": (30.81, 25.17, 34.21), "random": (23.50,),
    }),
)  # fmt: skip
_SIZES = {
    "artificialNoAnomaly": 5, "artificialWithAnomaly": 6, "realAWSCloudwatch": 17,
    "realAdExchange": 6, "realKnownCause": 7, "realTraffic": 7, "realTweets": 10,
}  # fmt: skip
"""Files of each category of the whole corpus."""


def published(names: Iterable[str]) -> tuple[Published, bool]:
    """Return the figures that are nearest to files called `names`, and whether they are of these.

    By how many files each category has: names and contents are not looked at.
    """
    counts: dict[str, int] = {}
    for name in names:
        category = name.partition("/")[0]
        counts[category] = counts.get(category, 0) + 1
    if counts == {name: _SIZES[name] for name in _CATEGORIES}:
        return FOUR, True
    return WHOLE, counts == _SIZES
