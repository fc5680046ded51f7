"""Metrics against scikit-learn and against formulas written out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from htmrun.backends.bits import Bits
from htmrun.components.classifiers.buckets import Buckets
from htmrun.components.classifiers.scores import Scores
from htmrun.training.measures.meters import (
    ActivityMeter,
    BucketForecastMeter,
    CellMeter,
    ClassificationMeter,
    ForecastMeter,
    raw_scores,
)


def random_scores(samples: int = 400, classes: int = 6) -> tuple[Scores, np.ndarray]:
    r = np.random.default_rng(1)
    target = r.integers(0, classes, samples)
    logits = r.normal(size=(samples, classes)) + 1.5 * np.eye(classes)[target]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return Scores(0, p.astype(np.float32), np.ones(samples, bool)), target


def test_classification_figures_agree_with_scikit_learn():
    scores, target = random_scores()
    meter = ClassificationMeter(6)
    everything = np.ones(100, bool)
    for start in range(0, 400, 100):
        part = Scores(0, scores.probability[start : start + 100], everything)
        meter.add(part, target[start : start + 100], everything)
    guess, found = scores.probability.argmax(1), meter.metrics()
    assert found["accuracy"] == pytest.approx(accuracy_score(target, guess))
    assert found["macro_f1"] == pytest.approx(f1_score(target, guess, average="macro"))
    p = scores.probability.astype(float)
    assert found["nll"] == pytest.approx(log_loss(target, p / p.sum(1, keepdims=True)), rel=1e-5)


def test_calibration_error_by_hand():
    # Two bins: confidence .9 twice, right once; confidence .6 twice, right twice.
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]], np.float32)
    meter = ClassificationMeter(2)
    meter.add(Scores(0, p, np.ones(4, bool)), np.array([0, 1, 0, 0]), np.ones(4, bool))
    assert meter.metrics()["calibration_error"] == pytest.approx((0.4 + 0.4) / 2, abs=1e-6)


def test_only_valid_and_scored_samples_count_and_silence_is_wrong():
    p = np.array([[1, 0], [1, 0], [1, 0], [0, 0]], np.float32)
    meter = ClassificationMeter(2)
    valid, scored = np.array([1, 0, 1, 1], bool), np.array([1, 1, 0, 1], bool)
    meter.add(Scores(1, p, valid), np.array([0, 0, 0, 0]), scored)
    assert meter.samples == 2
    assert meter.metrics()["accuracy"] == 0.5
    assert ClassificationMeter(2).metrics() == {}


def test_forecast_figures_by_hand():
    meter = ForecastMeter()
    meter.add_values(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    meter.add_values(np.array([9.0, np.nan]), np.array([9.0, 1.0]))
    found = meter.metrics()
    assert found["rmse"] == pytest.approx(math.sqrt(5 / 3))
    assert found["mape"] == pytest.approx(3 / 15)
    assert found["mae"] == pytest.approx(1.0)
    assert found["nrmse"] == pytest.approx(math.sqrt(5 / 3) / np.std([2, 4, 9]))


def test_bucket_forecasts_are_scored_in_units_of_the_value():
    p = np.array([[0, 0.5, 0, 0.5, 0], [1, 0, 0, 0, 0]], np.float32)
    meter = BucketForecastMeter("mean")
    scores = Scores(1, p, np.ones(2, bool), np.array([[0.0, 10.0], [0.0, 10.0]]))
    meter.add(scores, np.array([7.0, 3.0]), np.ones(2, bool))
    found = meter.metrics()
    assert found["rmse"] == pytest.approx(math.sqrt(((5 - 7) ** 2 + (1 - 3) ** 2) / 2))
    assert found["nll"] == pytest.approx(-(math.log(0.5) + math.log(1e-12)) / 2)


def test_buckets_and_estimates_by_hand():
    buckets = Buckets(0.0, 10.0, 5)
    assert buckets.index(np.array([-3, 0, 1.9, 2, 9.99, 10, 50, np.nan])).tolist() == [
        0, 0, 0, 1, 4, 4, 4, -1,
    ]  # fmt: skip
    p = np.array([[0.25, 0.5, 0.25, 0, 0], [0, 0, 0, 0, 1]], np.float32)
    assert buckets.estimate(p, "mean").tolist() == [3.0, 9.0]
    assert buckets.estimate(p, "median").tolist() == [3.0, 9.0]
    assert buckets.estimate(p, "mode").tolist() == [3.0, 9.0]
    skewed = np.array([[0.6, 0.4, 0, 0, 0]], np.float32)
    assert buckets.estimate(skewed, "median")[0] == pytest.approx(2 * 0.5 / 0.6)


def test_entropy_and_sparsity_by_hand():
    meter = ActivityMeter(4)
    meter.add(Bits.from_rows(4, [[0], [0, 1]]))
    meter.add(Bits.from_rows(4, [[0], [0, 1]]))
    found = meter.metrics()
    assert found["entropy"] == pytest.approx(1 / 4)  # one column at 1/2, the others certain
    assert found["sparsity"] == pytest.approx(1.5 / 4)
    assert found["dead_columns"] == 0.5


def test_cell_figures_by_hand():
    meter = CellMeter()
    meter.add(np.array([2, 0]), np.array([0, 4]), active=np.array([4, 4]), predicted=4)
    assert meter.metrics() == {"predicted": 0.25, "bursting": 0.5, "specificity": 0.5}
    assert CellMeter().metrics() == {}


def test_anomaly_scores_by_hand():
    # A sample without active columns surprises nobody.
    found = raw_scores(np.array([2, 0, 0, 3]), np.array([8, 4, 0, 3]))
    assert np.allclose(found, [0.75, 1.0, 0.0, 0.0])
