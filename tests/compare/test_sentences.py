"""Answers in words: what they say when seeds are few, and when nothing differs."""

from __future__ import annotations

import pytest

from htmrun.compare.sentences import _sentence
from htmrun.compare.statistics import paired_difference


@pytest.mark.parametrize(
    ("ours", "theirs", "sentence"),
    [
        ([0.5], [0.5], "batch has the same accuracy as online with the one seed."),
        ([0.5, 0.7], [0.5, 0.7], "batch has the same accuracy as online with each of 2 seeds."),
        (
            [0.25], [0.5],
            "batch has accuracy 0.2500 lower than online with one seed: nothing can be said of how "
            "much of that is chance.",
        ),
    ],
)  # fmt: skip
def test_few_seeds_are_named(ours: list[float], theirs: list[float], sentence: str) -> None:
    difference = paired_difference(
        "batch", "online", dict(enumerate(ours)), dict(enumerate(theirs))
    )
    assert _sentence("accuracy", difference) == sentence
