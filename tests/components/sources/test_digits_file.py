"""The digits as they are read from scikit-learn's file, against its own function."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from htmrun.components.sources import digits


def test_the_file_holds_what_scikit_learn_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = load_digits()
    ours = digits._read_digits()
    monkeypatch.setattr(digits, "_FILE", "datasets/data/moved.csv.gz")
    for found in (ours, digits._read_digits()):
        assert found.images.dtype == np.uint8
        assert found.labels.dtype == np.int64
        np.testing.assert_array_equal(found.images, theirs.images)
        np.testing.assert_array_equal(found.labels, theirs.target)
