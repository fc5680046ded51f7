"""Answers in words: the leader first, against the other arms and the controls; then the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from htmrun.compare.answer import answer
from htmrun.compare.comparison import Comparison, compare_arms
from htmrun.compare.sentences import against, of_speed, rest
from htmrun.compare.verdict import judge
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.training.measures.measure import RATE

Levels = Mapping[str, float]


def noise(arm: str, seeds: int, size: float = 0.004) -> np.ndarray:
    return np.random.default_rng([ord(letter) for letter in arm]).normal(0, size, seeds)


def run_of(levels: Mapping[str, Levels], seeds: int, controls: Sequence[str] = ()) -> ExperimentRun:
    """Return a run whose arms have these levels of each metric, with a little noise by seed."""
    run = ExperimentRun("RUN", "digits", "classification", ("RUN",))
    run.metrics = list(levels)
    for metric, by_arm in levels.items():
        for arm, mean in by_arm.items():
            values = mean + noise(arm + metric, seeds) * max(1.0, abs(mean))
            run.values.setdefault(arm, {})[metric] = dict(enumerate(values.tolist()))
            run.jobs[arm] = dict.fromkeys(range(seeds))
    everybody = list(run.values)
    run.arms = [arm for arm in everybody if arm not in controls]
    run.controls = [arm for arm in everybody if arm in controls]
    return run


def said(accuracy: Levels, seeds: int, controls: Sequence[str] = ()) -> Comparison:
    return compare_arms(run_of({"accuracy": accuracy}, seeds, controls), ["accuracy"])


def test_the_best_arm_is_named_first_with_the_best_other_arm_and_the_best_control() -> None:
    levels = {"online": 0.93, "minibatch": 0.96, "slow": 0.90, "no_sp": 0.85, "untrained": 0.80}
    first, second = said(levels, 10, ("no_sp", "untrained")).answer
    assert re.fullmatch(
        r"minibatch is best in accuracy: 0\.9\d+ against 0\.9\d+ of online, the best other arm "
        r"\(p = 0\.00\d\d\)\.",
        first,
    )
    assert second.startswith("minibatch beats every control, the best control, no_sp (0.8")


def test_controls_are_tested_each_with_holm_over_them() -> None:
    found = said({"online": 0.9, "no_sp": 0.85, "untrained": 0.8}, 7, ("no_sp", "untrained"))
    assert found.verdict is not None
    assert [d.reference for d in found.verdict.controls] == ["no_sp", "untrained"]
    # Seven of one sign: 2 / 2 ** 7, twice.
    assert [d.p_holm for d in found.verdict.controls] == pytest.approx([0.03125, 0.03125])


def test_a_control_that_is_better_is_said_and_one_that_is_not_beaten_too() -> None:
    levels = {"online": 0.90, "minibatch": 0.88, "no_sp": 0.95, "untrained": 0.85}
    assert said(levels, 10, ("no_sp", "untrained")).answer[1].startswith("The control no_sp (0.9")
    equal = {"online": 0.90, "minibatch": 0.88, "no_sp": 0.90, "untrained": 0.85}
    second = said(equal, 10, ("no_sp", "untrained")).answer[1]
    assert second.startswith(
        "online beats untrained but is not shown to beat the control no_sp (0."
    )


def test_an_error_is_best_where_it_is_lowest() -> None:
    values = {
        arm: dict(enumerate((level + noise(arm, 8)).tolist()))
        for arm, level in (("online", 2.0), ("minibatch", 1.0), ("last_value", 3.0))
    }
    arms, controls = ["online", "minibatch"], ["last_value"]
    _, verdict = judge("rmse_1", values, arms, controls, "online")
    first, second = answer(verdict)
    assert first.startswith("minibatch is best in rmse_1: 1.0")
    assert second.startswith("minibatch beats the control last_value (")


def test_too_few_seeds_are_said_and_how_many_would_do() -> None:
    levels = {"online": 0.95, "minibatch": 0.90, "epoch_boost": 0.5}
    found = said(levels, 6)
    assert "6 seeds cannot decide that" in found.answer[0]
    assert "with 2 comparisons no corrected p can be under 0.0625; 7 or more can" in found.answer[0]
    assert "not told apart" not in " ".join([*found.answer, *against(found)])
    assert "7 or more can" in against(found)[0]
    three = said(levels, 3).answer[0]
    assert "3 seeds cannot decide that: nothing is tested below 6, and it takes 7 or more" in three
    # With the number that it names it is decided.
    assert said(levels, 7).answer[0].startswith("online is best in accuracy")
    assert "One seed" not in said(levels, 1).answer[0]
    assert "but one seed cannot decide that" in said(levels, 1).answer[0]


def test_a_small_difference_is_told_with_the_seeds_that_it_takes() -> None:
    first = said({"online": 0.950, "minibatch": 0.9505}, 10).answer[0]
    assert first.startswith("No arm is shown to be best in accuracy: ")
    assert re.search(r"if it is real, it takes (about|more than) [\d,]+ seeds to see", first)


def test_equal_arms_and_one_arm() -> None:
    values = {arm: {0: 0.5, 1: 0.7} for arm in ("online", "batch")}
    _, verdict = judge("accuracy", values, list(values), [], "online")
    assert answer(verdict) == ("All arms have the same accuracy, 0.6000, with 2 seeds.",)
    _, alone = judge("accuracy", {"online": {0: 0.5}}, ["online"], [], "online")
    assert answer(alone) == ("online reaches accuracy 0.5000.",)
    assert answer(judge("sp/sparsity", values, list(values), [], "online")[1]) == ()


def test_what_leads_and_what_it_is_compared_with_are_one_family() -> None:
    levels = {"online": 0.93, "minibatch": 0.96, "epoch_boost": 0.90}
    found = said(levels, 10)
    [metric] = found.metrics
    assert found.verdict is not None
    # Two against online, and the leader against the third.
    assert {d.family for d in [*metric.differences, *found.verdict.others]} == {3}
    ours = next(d for d in metric.differences if d.arm == "minibatch")
    theirs = next(d for d in found.verdict.others if d.reference == "online")
    assert (ours.p_holm, ours.mean) == (theirs.p_holm, theirs.mean)
    turned = said({"online": 0.97, "minibatch": 0.96, "epoch_boost": 0.90}, 10)
    assert turned.verdict is not None
    ours = next(d for d in turned.metrics[0].differences if d.arm == "minibatch")
    theirs = next(d for d in turned.verdict.others if d.reference == "minibatch")
    assert (ours.p_holm, ours.mean) == (theirs.p_holm, -theirs.mean)
    assert (ours.low, ours.high) == (-theirs.high, -theirs.low)  # type: ignore[operator]


def test_the_rest_is_a_line_for_each_arm() -> None:
    levels = {
        "accuracy": {"online": 0.93, "minibatch": 0.96, "epoch_boost": 0.90},
        "churn": {"online": 0.1, "minibatch": 0.2, "epoch_boost": 0.1},
        "sp/sparsity": {"online": 0.02, "minibatch": 0.2, "epoch_boost": 0.3},
    }
    lines = against(compare_arms(run_of(levels, 10), list(levels)))
    assert len(lines) == 2
    assert re.match(
        r"minibatch: better in accuracy \(0\.0\d+ higher, p = .*\); worse in churn", lines[0]
    )
    assert "higher sp/sparsity" in lines[0]
    assert "not told apart in churn" in lines[1]


def test_beaten_in_speed_and_quality_looks_at_all_arms() -> None:
    levels = {
        "accuracy": {"online": 0.7, "minibatch": 0.8, "no_sp": 0.9},
        RATE: {"online": 100.0, "minibatch": 200.0, "no_sp": 400.0},
    }
    found = compare_arms(run_of(levels, 8, ("no_sp",)), list(levels))
    [line] = of_speed(found)
    # The control is the best of those that beat online, but minibatch does as well.
    assert "no other arm is both faster and better in accuracy than minibatch;" in line
    assert "online is beaten in both by minibatch" in line
    assert "the control no_sp is both faster and better than minibatch and online" in line
    assert [heading for heading, _ in rest(found)] == [
        "Each arm against online",
        "Speed and quality",
    ]
