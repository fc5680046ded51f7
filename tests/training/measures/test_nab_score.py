"""The benchmark's score: cases worked out by hand, and published figures of three detectors."""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from htmrun.training.measures.nab_score import PROFILES, Labelled, at_threshold, best, probation

STANDARD = PROFILES["standard"]


def scores(rows: int, **at: float) -> np.ndarray:
    """Return `rows` zeros but for the rows named r17=.9."""
    out = np.zeros(rows)
    for name, value in at.items():
        out[int(name[1:])] = value
    return out


def sigmoid(x: float) -> float:
    return 2 / (1 + math.exp(5 * x)) - 1


def test_probation_is_a_share_of_short_files_and_750_rows_of_long_ones() -> None:
    assert probation(1000) == 150
    assert probation(4032) == 604
    assert probation(22695) == 750


def test_the_first_row_of_a_window_is_worth_a_whole_point() -> None:
    file = Labelled(scores(200, r100=0.9), [(100, 119)])
    result = at_threshold([file], STANDARD, 0.5)
    assert result.points == pytest.approx(1.0)
    assert result.normalized == pytest.approx(100.0)


def test_only_the_earliest_detection_of_a_window_counts() -> None:
    file = Labelled(scores(200, r110=0.9, r118=0.9), [(100, 119)])
    assert at_threshold([file], STANDARD, 0.5).points == pytest.approx(
        sigmoid(-10 / 20) / sigmoid(-1)
    )


def test_a_missed_window_and_a_detection_before_any_window_cost() -> None:
    file = Labelled(scores(200, r50=0.9), [(100, 119)])
    for profile in PROFILES.values():
        assert at_threshold([file], profile, 0.5).points == pytest.approx(
            -profile.missed - profile.false
        )


def test_a_detection_behind_a_window_costs_the_more_the_further_away() -> None:
    def points(row: int) -> float:
        return at_threshold([Labelled(scores(400, **{f"r{row}": 0.9}), [(100, 119)])], STANDARD, 0.5
                            ).points  # fmt: skip

    assert points(125) == pytest.approx(-1 + 0.11 * sigmoid(6 / 19))
    assert points(119 + 57) == pytest.approx(-1 + 0.11 * sigmoid(3))
    assert points(300) == pytest.approx(-1 - 0.11)


def test_rows_on_probation_do_not_count() -> None:
    file = Labelled(scores(200, r10=0.9), [(100, 119)])
    assert at_threshold([file], STANDARD, 0.5).points == pytest.approx(-1.0)


def test_the_best_threshold_leaves_out_what_costs_more_than_it_brings() -> None:
    score = scores(400, r100=0.9, r60=0.8, r70=0.8)
    result = best([Labelled(score, [(100, 119)])], STANDARD)
    assert result.threshold == pytest.approx(0.9)
    assert result.points == pytest.approx(1.0)
    silent = best([Labelled(np.zeros(400), [(100, 119)])], STANDARD)
    assert silent.threshold == math.inf
    assert silent.normalized == 0.0


def test_a_score_that_is_not_a_number_detects_nothing() -> None:
    score = scores(200, r100=0.9)
    score[60] = np.nan
    assert at_threshold([Labelled(score, [(100, 119)])], STANDARD, 0.5).points == pytest.approx(1)


def test_without_a_window_there_is_no_scale() -> None:
    with pytest.raises(ValueError, match="no window"):
        best([Labelled(np.zeros(200))], STANDARD)


@pytest.mark.parametrize("detector", ["numenta", "knncad", "windowedGaussian"])
def test_published_scores_come_out(detector: str) -> None:
    folder = Path(os.environ.get("HTMRUN_TEST_DATA", "")) / "nab"
    if not (folder / "published").is_dir():
        pytest.skip("needs HTMRUN_TEST_DATA/nab with published detector scores")
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text())
    files = [read(folder / "published" / detector, name, labels[name]) for name in sorted(labels)]
    published = json.loads((folder / "published" / "scores.json").read_text())[detector]
    for name, profile in PROFILES.items():
        expected = published[name]
        result = best(files, profile)
        assert result.points == pytest.approx(expected["raw_score"], abs=1e-9)
        assert result.normalized == pytest.approx(expected["normalized_score"], abs=1e-9)
        assert result.threshold == pytest.approx(expected["threshold"])
        again = at_threshold(files, profile, expected["threshold"])
        assert again.points == pytest.approx(expected["raw_score"], abs=1e-9)


def read(folder: Path, name: str, windows: list[list[str]]) -> Labelled:
    with gzip.open(folder / f"{name}.gz", "rt") as text:
        rows = list(csv.DictReader(text))
    times = np.array([r["timestamp"] for r in rows], "datetime64[s]")
    places = []
    for window in windows:
        first, last = np.array([edge[:19] for edge in window], "datetime64[s]")
        inside = np.flatnonzero((times >= first) & (times <= last))
        places.append((int(inside[0]), int(inside[-1])))
    return Labelled(np.array([float(r["anomaly_score"]) for r in rows]), places)
