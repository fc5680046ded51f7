"""Controls that score anomalies: by hand, by published scores, and never by what comes later."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from htmrun.components import registry
from htmrun.components.likelihood import AnomalyParameters
from htmrun.training.measures.anomaly import out_of_range
from htmrun.training.measures.judge import Judge
from tests.components.controls.series import control, cut, series, wave
from tests.components.controls.test_every_control import SMALL

NAB = Path(os.environ.get("HTMRUN_TEST_DATA", "")) / "nab"
DETECTORS = ("gaussian", "out_of_range")


@pytest.mark.parametrize("kind", registry.kinds("control"))
def test_scores_are_shares_and_what_follows_changes_none(kind: str) -> None:
    made = control(kind, **{**SMALL, "gaussian": {"window": 90, "step": 7}}.get(kind, {}))
    whole = series(wave(400), missing=[90, 91], resets=[0, 150])
    scores = made.score(whole)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert kind == "out_of_range" or len(np.unique(scores)) > 50
    for stop in (151, 300):
        assert made.score(cut(whole, stop)).tolist() == scores[:stop].tolist()


def test_an_error_is_a_share_of_the_range_so_far() -> None:
    found = control("persistence").score(series([5.0, 5.0, 7.0, 4.0, 5.5, 15.0], resets=[0, 4]))
    #  errors: none, 0, 2 of 2, 3 of 3, none behind the reset, 9.5 of 11
    assert found == pytest.approx([0, 0, 1, 1, 0, 9.5 / 11])


@pytest.mark.parametrize("step", [1, 5, 30])
def test_the_windowed_gaussian_against_a_plain_loop(step: int) -> None:
    values, window = wave(200, seed=3), 30
    found = control("gaussian", window=window, step=step).score(series(values))
    held, waiting = [values[0]], []
    assert found[0] == 0
    for t, value in enumerate(values[1:], 1):
        expected = norm.cdf(abs(value - np.mean(held)) / (np.std(held) or 1e-6))
        assert found[t] == pytest.approx(expected, abs=1e-9), t
        if len(held) < window:
            held.append(value)
        else:
            waiting.append(value)
        if len(waiting) == step:
            held, waiting = [*held[step:], *waiting], []


def test_values_that_stay_are_as_strange_as_nothing() -> None:
    found = control("gaussian", window=5, step=1).score(series([3.0] * 20 + [4.0]))
    assert found[1:20].tolist() == [0.5] * 19
    assert found[20] == 1.0


@pytest.mark.parametrize("name", ["realKnownCause/nyc_taxi", "realKnownCause/rogue_agent_key_hold",
                                  "artificialWithAnomaly/art_daily_flatmiddle",
                                  "realTraffic/speed_7578"])  # fmt: skip
def test_published_scores_of_the_windowed_gaussian_come_out(name: str) -> None:
    if not (NAB / "published").is_dir():
        pytest.skip("needs HTMRUN_TEST_DATA/nab with published detector scores")
    with (NAB / "data" / f"{name}.csv").open(newline="") as file:
        values = [float(row["value"]) for row in csv.DictReader(file)]
    with gzip.open(NAB / "published" / "windowedGaussian" / f"{name}.csv.gz", "rt") as file:
        published = [float(row["anomaly_score"]) for row in csv.DictReader(file)]
    found = control("gaussian").score(series(values, dated=False))
    assert found == pytest.approx(published, abs=1e-9)


def test_the_rule_alone_is_the_judges_rule() -> None:
    made, values = control("out_of_range", margin=0.1), wave(400)
    judge = Judge(made.judged_by(AnomalyParameters.model_validate({})), 400)
    said = judge.add(made.score(series(values)), values)
    expected = out_of_range(values, 0.1)
    expected[:388] = False
    assert said.alert.tolist() == expected.tolist()


@pytest.mark.parametrize("kind", DETECTORS)
def test_a_detector_forecasts_nothing(kind: str) -> None:
    assert np.isnan(control(kind).forecast(series(wave(50)), 1)).all()
