"""Final table and JSON summary, against scipy called by hand and values worked out on paper."""

from __future__ import annotations

import io
import json
import math

import pytest
import scipy.stats
from rich.console import Console

from htmrun.cli.terminal.summary import final_table, json_summary
from htmrun.compare.interval import mean_interval
from htmrun.compare.numbers import duration, mean_and_half, number
from htmrun.training.records import Finished, Job


def finished(arm: str, seed: int, control: bool = False, **metrics: float) -> Finished:
    return Finished(Job(arm, seed, control), metrics, f"hash-{arm}-{seed}", 1.0)


RESULTS = {
    "online": [
        finished("online", 1, accuracy=0.96, samples_per_s=1200.0),
        finished("online", 0, accuracy=0.94, samples_per_s=1000.0),
    ],
    "minibatch": [
        finished("minibatch", 0, accuracy=0.90, samples_per_s=2000.0),
        finished("minibatch", 1, accuracy=0.92, samples_per_s=2200.0),
    ],
    "no_sp": [
        finished("no_sp", 0, True, accuracy=0.99, samples_per_s=9.0),
        finished("no_sp", 1, True, accuracy=0.99, samples_per_s=9.0),
    ],
}


def printed(results: dict[str, list[Finished]], metrics: list[str], width: int = 200) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(final_table(results, metrics))
    return out.getvalue()


@pytest.mark.parametrize("values", [[1.0, 2.0], [0.94, 0.96, 0.95, 0.91, 0.97], [5.0] * 3])
def test_interval_is_scipys_t_interval(values: list[float]) -> None:
    found = mean_interval(values)
    mean, error = sum(values) / len(values), scipy.stats.sem(values)
    if error > 0:
        low, high = scipy.stats.t.interval(0.95, len(values) - 1, loc=mean, scale=error)
    else:
        low = high = mean
    assert (found.mean, found.low, found.high) == pytest.approx((mean, low, high))


def test_interval_of_a_worked_example() -> None:
    # Values 1, 2, 3: mean 2, s = 1, t(.975, 2) = 4.30265, half width 4.30265 / sqrt(3).
    found = mean_interval([1.0, 2.0, 3.0])
    assert found.half == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert mean_interval([7.0]).low is None
    with pytest.raises(ValueError, match="expected at least one"):
        mean_interval([])


def test_table_shows_arms_then_controls_below_a_rule() -> None:
    lines = printed(RESULTS, ["accuracy"]).splitlines()
    rows = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
    assert rows == ["online", "minibatch", "no_sp"]
    rules = [place for place, line in enumerate(lines) if line.startswith("├")]
    assert len(rules) == 1
    assert "minibatch" in lines[rules[0] - 1]
    assert "no_sp" in lines[rules[0] + 1]


def test_table_marks_the_highest_mean_of_the_arms_only() -> None:
    text = printed(RESULTS, ["accuracy"])
    marked = [line for line in text.splitlines() if " * " in line]
    # The control's .99 is higher, but it is no arm.
    assert len(marked) == 1
    assert "online" in marked[0]
    assert "0.9500 ± 0.1271" in marked[0]  # t(.975, 1) * .01414 / sqrt(2) = 12.7062 * .01
    assert "highest mean of the arms" in text


def test_table_marks_the_lowest_error() -> None:
    results = {
        "a": [finished("a", 0, rmse_1=7.5)],
        "b": [finished("b", 0, rmse_1=8.5)],
    }
    text = printed(results, ["rmse_1"])
    assert "7.5000 *" in text
    assert "lowest mean" in text


def test_equal_arms_are_not_marked() -> None:
    results = {arm: [finished(arm, 0, accuracy=0.9)] for arm in ("a", "b")}
    assert "*" not in printed(results, ["accuracy"])


def test_all_arms_with_the_best_mean_are_marked() -> None:
    values = {"a": 0.9, "b": 0.95, "c": 0.95}
    results = {arm: [finished(arm, 0, accuracy=value)] for arm, value in values.items()}
    marked = [line for line in printed(results, ["accuracy"]).splitlines() if " * " in line]
    assert [line.split("│")[1].strip() for line in marked] == ["b", "c"]


@pytest.mark.parametrize("width", [50, 80])
def test_a_narrow_terminal_gets_the_table_in_parts_and_loses_nothing(width: int) -> None:
    metrics = [f"a_rather_long_metric_{i}" for i in range(6)]
    results = {
        arm: [finished(arm, s, arm == "no_sp", **dict.fromkeys(metrics, 0.9 + s)) for s in (0, 1)]
        for arm in ("online", "epoch_boost", "no_sp")
    }
    lines = printed(results, metrics, width).splitlines()
    assert max(map(len, lines)) <= width
    parts = [line for line in lines if line.startswith("┏")]
    assert len(parts) > 1
    for word in (*metrics, *("online", "epoch_boost", "no_sp")):
        assert any(word in line for line in lines)
    for arm in results:
        assert sum(line.startswith(f"│ {arm} ") for line in lines) == len(parts)


def test_half_widths_have_the_places_of_their_mean() -> None:
    pairs = [(1, 2), (15.5, 16.5), (2000, 2400), (1, 1), (0.5, 0.500001)]
    assert [mean_and_half(mean_interval(pair)) for pair in pairs] == [
        "1.5000 ± 6.3531",
        "16.00 ± 6.35",
        "2,200 ± 2,541",
        "1.0000 ± 0.0000",
        "0.5000 ± 6.35e-06",
    ]


def test_notes_say_what_the_interval_is_and_when_nothing_is_significant() -> None:
    text = printed(RESULTS, ["accuracy"])
    assert "95 % Student-t interval" in text
    assert "2 seeds: nothing is called significant below 6" in text
    single = printed({"a": [finished("a", 0, accuracy=0.9)]}, ["accuracy"])
    assert "±" not in single
    assert "1 seed: nothing is called significant" in single
    six = {"a": [finished("a", seed, accuracy=0.9 + seed / 100) for seed in range(6)]}
    assert "nothing is called significant" not in printed(six, ["accuracy"])


def test_table_of_a_run_in_which_nothing_finished() -> None:
    assert "no arm finished" in printed({"a": []}, ["accuracy"])


def test_json_summary_is_exactly_this() -> None:
    results = {"online": RESULTS["online"], "no_sp": [RESULTS["no_sp"][0]]}
    summary = json.loads(
        json.dumps(
            json_summary("RUN", "finished", results, {"processor": 2.5}, ["tm: never predicts"])
        )
    )
    half = scipy.stats.t.ppf(0.975, 1) * 0.01
    accuracy = summary["arms"]["online"].pop("accuracy")
    assert accuracy["values"] == [0.94, 0.96]  # In the order of the seeds.
    assert accuracy["mean"] == pytest.approx(0.95)
    assert accuracy["low"] == pytest.approx(0.95 - half)
    assert accuracy["high"] == pytest.approx(0.95 + half)
    summary["arms"]["online"].pop("samples_per_s")
    assert summary == {
        "answer": [],
        "run": "RUN",
        "status": "finished",
        "energy": {"processor_joules": 2.5, "card_joules": None},
        "notes": ["tm: never predicts"],
        "arms": {
            "online": {"state_hash": {"values": ["hash-online-0", "hash-online-1"]}},
            "no_sp": {
                "accuracy": {"mean": 0.99, "low": None, "high": None, "values": [0.99]},
                "samples_per_s": {"mean": 9.0, "low": None, "high": None, "values": [9.0]},
                "state_hash": {"values": ["hash-no_sp-0"]},
            },
        },
    }


def test_json_has_no_numbers_that_json_does_not_know() -> None:
    results = {"a": [finished("a", 0, mape=math.inf), finished("a", 1, mape=1.0)]}
    text = json.dumps(json_summary("R", "finished", results, {}), allow_nan=False)
    assert json.loads(text)["arms"]["a"]["mape"]["values"] == [None, 1.0]


def test_numbers_and_durations_as_people_read_them() -> None:
    assert [number(0.95333), number(12.3456), number(0.00001), number(-31000.4)] == [
        "0.9533",
        "12.35",
        "1.00e-05",
        "-31,000",
    ]
    assert number(950.4, "samples_per_s") == "950"
    assert [duration(s) for s in (0.2, 59.0, 185, 3725, math.inf)] == [
        "1 s",
        "59 s",
        "3:05",
        "1:02:05",
        "-",
    ]
