"""The main figures in a sentence each, for readers who have only the page."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MEANINGS = {
    r"accuracy": "share of right answers: on held-out samples, or, where a sequence is learned "
    "without such, over the last fifth of it",
    r"prequential/accuracy": "share of right answers while learning, each given before the sample "
    "is learned, over all training samples",
    r"noise_accuracy_area": "accuracy on samples of which on-bits were moved, mean over 0 to 100 % "
    "of them",
    r"noise_score": "images classified right, summed over 11 levels of pixel noise from 0 to 50 %",
    r"churn": "share of the predictions for fixed samples that one commit flips",
    r"[^/]+/predicted": "share of the active columns that the temporal memory had predicted",
    r"rmse_\d+": "root mean squared error of the forecast so many samples ahead, in the value's "
    "unit",
    r"mape": "sum of absolute errors over sum of absolute values, at the longest horizon",
    r"nll(_\d+)?": "negative log-likelihood of what came, in nats",
    r"recovery_samples": "samples from the change in the data until 100 scored ones in a row are "
    "back at 95 % of the level before; only seeds that got there",
    r"samples_per_s": "training samples per second of this job",
}


def meanings(metrics: Iterable[str]) -> list[tuple[str, str]]:
    """Return (figure, meaning) for those that have one here."""
    found = []
    for name in metrics:
        for pattern, meaning in _MEANINGS.items():
            if re.fullmatch(pattern, name):
                found.append((name, meaning))
                break
    return found
