"""One class judges: against its parts, against thresholds worked out by hand, in any pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from htmrun.components.likelihood import AnomalyParameters
from htmrun.training.measures.anomaly import AnomalyLikelihood, log_scale, out_of_range
from htmrun.training.measures.judge import Judge, Judged, within_budget
from htmrun.training.measures.nab_score import PROFILES, Labelled, best

FEW: dict[str, Any] = {
    "average": 3, "history": 60, "reestimate_every": 8, "learning": 11, "probation": 20,
    "least_variance": 0.001, "least_mean": 0.02, "alarm": 0.95, "later": 0.9,
}  # fmt: skip
ROWS = 400


def parameters(**settings: Any) -> AnomalyParameters:
    return AnomalyParameters.model_validate(FEW | settings)


def stream(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    raw = np.where(random.random(ROWS) < 0.1, 1.0, random.integers(0, 9, ROWS) / 40)
    return raw, np.cumsum(random.standard_normal(ROWS))


def judged(settings: AnomalyParameters, windows: Any = None) -> Judged:
    return Judge(settings, ROWS, windows).add(*stream())


def test_the_score_is_what_is_asked_for() -> None:
    raw, _ = stream()
    likelihood = AnomalyLikelihood(parameters()).add(raw)
    for score, expected in (
        ("raw", raw), ("likelihood", likelihood), ("log_likelihood", log_scale(likelihood)),
    ):  # fmt: skip
        found = judged(parameters(score=score))
        assert found.score.tobytes() == expected.tobytes()
        assert found.likelihood.tobytes() == likelihood.tobytes()


@pytest.mark.parametrize(
    "settings",
    [{"score": "raw"}, {"score": "likelihood"}, {"score": "log_likelihood"}, {"out_of_range": 0.1},
     {"choose": "budget", "first_rows": 100}, {"score": "raw", "threshold": 0.5},
     {"only_first": False}],
)  # fmt: skip
def test_a_row_by_itself_is_judged_as_in_a_piece(settings: dict[str, Any]) -> None:
    raw, values = stream()
    whole, single = (Judge(parameters(**settings), ROWS) for _ in range(2))
    said = whole.add(raw, values)
    found = [single.add_one(r, v) for r, v in zip(raw.tolist(), values.tolist(), strict=True)]
    assert [tuple(map(type, row)) for row in found] == [(float, float, bool)] * ROWS
    for column, expected in zip(zip(*found, strict=True), said, strict=True):
        assert np.array(column).tobytes() == expected.tobytes()
    np.testing.assert_equal(single.state(), whole.state())
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="outside 0 to 1"):
            single.add_one(wrong, 0.0)


def test_an_alert_is_an_alarm_on_either_scale() -> None:
    raw, _ = stream()
    expected = AnomalyLikelihood(parameters()).add(raw) >= 0.95
    assert expected.sum() > 3
    for score in ("likelihood", "log_likelihood"):
        assert judged(parameters(score=score)).alert.tolist() == expected.tolist()
    raw_alerts = judged(parameters(score="raw")).alert
    assert raw_alerts.tolist() == [r >= 0.95 and t >= 20 for t, r in enumerate(raw)]
    lower = judged(parameters(threshold=0.9))
    assert lower.alert.sum() > expected.sum()


def test_a_value_out_of_range_scores_one_after_the_probation() -> None:
    raw, values = stream()
    plain, ruled = judged(parameters()), judged(parameters(out_of_range=0.1))
    beyond = out_of_range(values, 0.1)
    beyond[:20] = False
    assert 0 < beyond.sum() < 40
    assert ruled.score.tolist() == np.where(beyond, 1.0, plain.score).tolist()
    assert ruled.alert.tolist() == (plain.alert | beyond).tolist()
    without = Judge(parameters(out_of_range=0.1), ROWS).add(raw, None)
    assert without.score.tolist() == plain.score.tolist()


@pytest.mark.parametrize("piece", [1, 7, 64])
@pytest.mark.parametrize("choose", ["fixed", "budget", "f1", "nab"])
def test_how_a_stream_is_cut_or_resumed_does_not_show(piece: int, choose: str) -> None:
    raw, values = stream()
    settings = parameters(choose=choose, first_rows=130, out_of_range=0.05, budget=20)
    windows = ((5, 24), (90, 99), (180, 200))
    whole = Judge(settings, ROWS, windows).add(raw, values)
    parts, judge = [], Judge(settings, ROWS, windows)
    for a in range(0, ROWS, piece):
        kept, judge = judge.state(), Judge(settings, ROWS, windows)
        judge.load(kept)
        parts.append(judge.add(raw[a : a + piece], values[a : a + piece]))
    for name, column in zip(Judged._fields, zip(*parts, strict=True), strict=True):
        assert np.concatenate(column).tobytes() == getattr(whole, name).tobytes(), name
    assert whole.alert.any()


def test_a_probation_that_is_a_share_is_the_benchmarks() -> None:
    settings = parameters(probation={"share": 0.15, "most": 750}, learning=None)
    assert settings.begin(4032) == (302, 604)
    assert settings.begin(22695) == (375, 750)
    with pytest.raises(ValueError, match="probation: 0 is not above learning = 0"):
        settings.begin(6)
    with pytest.raises(ValueError, match="probation: 15 is not above learning = 288"):
        parameters(probation={"share": 0.15}, learning=288).begin(100)


def test_a_budget_is_the_least_score_that_keeps_it() -> None:
    score = np.array([0.1, 0.9, 0.3, 0.9, 0.5, 0.2, 0.1, 0.1, 0.1, 0.1])
    assert within_budget(score, 1000) == 0.1  # all ten
    assert within_budget(score, 300) == 0.5  # three of ten
    assert within_budget(score, 200) == 0.9
    above = within_budget(score, 199)  # one, and two share the first place
    assert 0.9 < above < 0.9 + 1e-9


def test_a_threshold_is_chosen_by_rows_that_are_over_and_never_by_later_ones() -> None:
    raw, values = stream()
    settings = parameters(choose="budget", first_rows=200, budget=25, score="log_likelihood")
    judge = Judge(settings, ROWS)
    found = judge.add(raw, values)
    assert judge.threshold == within_budget(found.score[20:200], 25)
    assert not found.alert[:200].any()
    assert found.alert[200:].tolist() == (found.score[200:] >= judge.threshold).tolist()
    changed = raw.copy()
    changed[200:] = changed[200:][::-1]
    other = Judge(settings, ROWS)
    other.add(changed, values)
    assert other.threshold == judge.threshold


def test_the_first_row_behind_those_that_choose_can_be_an_alert() -> None:
    raw = np.full(ROWS, 0.1)
    raw[199], raw[200] = 0.2, 0.9
    judge = Judge(parameters(choose="budget", first_rows=200, budget=1, score="raw"), ROWS)
    assert np.flatnonzero(judge.add(raw).alert).tolist() == [200]
    assert judge.threshold == np.nextafter(0.2, 1)


def test_the_benchmarks_profile_chooses_by_labels_of_the_first_rows_alone() -> None:
    raw, values = stream()
    windows = ((5, 24), (90, 99), (180, 220), (300, 310))
    judge = Judge(parameters(choose="nab", first_rows=200), ROWS, windows)
    score = judge.add(raw, values).score
    inside = [(0, 4), (70, 79), (160, 179)]
    expected = best([Labelled(score[20:200], inside, 0)], PROFILES["standard"])
    assert judge.threshold == expected.threshold


@pytest.mark.parametrize(
    ("settings", "windows", "said"),
    [
        ({"choose": "f1", "first_rows": 100}, ((150, 160),), "no labelled window in the rows 20 "),
        ({"choose": "nab", "first_rows": 100}, None, "choose: found nab, and no labelled window"),
        ({"choose": "budget", "first_rows": 400}, None, "first_rows: 400 choose the threshold, "),
        ({"choose": "budget", "first_rows": 20}, None, "first_rows: 20 is not above probation = 2"),
    ],
)
def test_what_cannot_choose_a_threshold_is_said(settings: Any, windows: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Judge(parameters(**settings), ROWS, windows).must_choose(ROWS)


def test_a_threshold_is_given_or_chosen() -> None:
    with pytest.raises(ValidationError, match=r"threshold: found 0\.5 with choose = budget"):
        parameters(choose="budget", threshold=0.5)
