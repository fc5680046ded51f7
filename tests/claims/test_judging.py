"""Rules against cases worked by hand, and against SciPy's paired test where it is at home."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats

from htmrun.claims.judging import Figures, judge
from htmrun.claims.schema import Claim, Rule
from htmrun.errors import UserError

BASE: dict[str, Any] = {
    "number": 1, "claim": "c", "tested": "t", "parts": {"p": {"experiment": "digits"}},
}  # fmt: skip


def claim(*rules: dict[str, Any], **fields: Any) -> Claim:
    made = [{"says": "s", "metric": "m", "of": "a", "than": "b", **rule} for rule in rules]
    return Claim.model_validate(BASE | {"rules": made} | fields)


def figures(**arms: list[float]) -> Figures:
    return {"p": {n: {s: {"m": v} for s, v in enumerate(vs)} for n, vs in arms.items()}}


SPREAD = [-0.01, 0.01, -0.02, 0.02, -0.03, 0.03, 0.0, 0.005, -0.005, 0.0]


@pytest.mark.parametrize(
    ("ask", "shift", "verdict"),
    [
        ("higher", 0.50, "holds"), ("higher", -0.50, "does not hold"),
        ("higher", 0.05, "does not hold"), ("higher", 0.10, "undecided"),
        ("lower", -0.50, "holds"), ("lower", 0.50, "does not hold"),
        ("lower", -0.05, "does not hold"), ("lower", -0.10, "undecided"),
        ("within", 0.0, "holds"), ("within", 0.5, "does not hold"),
        ("within", -0.5, "does not hold"), ("within", 0.10, "undecided"),
    ],
)  # fmt: skip
def test_an_answer_takes_the_whole_interval_on_one_side(
    ask: str, shift: float, verdict: str
) -> None:
    made = claim({"ask": ask, "by": 0.1})
    found = judge(made, figures(a=[1 + shift + e for e in SPREAD], b=[1.0] * 10), "full")
    assert found.verdict == verdict
    assert (found.rules[0].difference or 0) == pytest.approx(shift)


def test_the_interval_is_near_students_for_normal_differences() -> None:
    values = list(np.random.default_rng(3).normal(2.0, 1.0, 12))
    found = judge(claim({"ask": "higher", "by": 1.0}), figures(a=values, b=[0.0] * 12), "full")
    low, high = scipy.stats.t.interval(0.95, 11, np.mean(values), scipy.stats.sem(values))
    [rule] = found.rules
    assert rule.low is not None
    assert rule.high is not None
    # It is at least as wide, and at twelve values not by more than half.
    assert low - (high - low) / 2 < rule.low <= low + 0.05
    assert high - 0.05 <= rule.high < high + (high - low) / 2


def test_a_share_is_of_what_is_compared_with() -> None:
    made = claim({"ask": "higher", "by": "5 %"})
    found = judge(made, figures(a=[103.0] * 10, b=[100.0 + s for s in SPREAD]), "full")
    assert found.rules[0].by == pytest.approx(5.0)
    assert found.verdict == "does not hold"


def test_below_six_seeds_nothing_is_decided_however_clear() -> None:
    made = claim({"ask": "higher", "by": 0.1})
    found = judge(made, figures(a=[9.0, 9.1, 9.2, 9.0, 9.1], b=[1.0] * 5), "small")
    assert found.verdict == "undecided"
    assert "points to: it holds" in found.reason
    assert "htmrun claim 1 --full" in found.reason
    exact = claim({"ask": "equal"})
    assert judge(exact, figures(a=[1.0] * 5, b=[1.0] * 5), "small").verdict == "undecided"


def test_pairs_that_must_be_equal_are_counted() -> None:
    same = [float(s) for s in range(6)]
    other = [*same[:5], 5.0 + 2**-40]
    for ask, b, verdict in (
        ("equal", same, "holds"), ("equal", other, "does not hold"),
        ("different", same, "does not hold"), ("different", other, "holds"),
    ):  # fmt: skip
        found = judge(claim({"ask": ask}), figures(a=same, b=b), "full")
        assert found.verdict == verdict
        assert found.rules[0].difference == float(b is other)


def test_a_condition_that_is_not_met_leaves_it_undecided() -> None:
    made = claim({"ask": "higher", "by": 0.1}, {"ask": "higher", "than": "c", "check": True})
    a, b = [2 + e for e in SPREAD], [1.0] * 10
    assert judge(made, figures(a=a, b=b, c=[1.0] * 10), "full").verdict == "holds"
    found = judge(made, figures(a=a, b=b, c=[3.0] * 10), "full")
    assert found.verdict == "undecided"
    assert "condition" in found.reason


@pytest.mark.parametrize(
    ("holds", "first", "second", "verdict"),
    [
        ("all", 1.0, 1.0, "holds"), ("all", 1.0, -1.0, "does not hold"),
        ("all", 1.0, 0.1, "undecided"), ("any", 1.0, -1.0, "holds"),
        ("any", -1.0, -1.0, "does not hold"), ("any", -1.0, 0.1, "undecided"),
    ],
)  # fmt: skip
def test_several_rules(holds: str, first: float, second: float, verdict: str) -> None:
    made = claim({"ask": "higher", "by": 0.1}, {"ask": "higher", "by": 0.1, "of": "c"}, holds=holds)
    arms = figures(a=[first + e for e in SPREAD], c=[second + e for e in SPREAD], b=[0.0] * 10)
    assert judge(made, arms, "full").verdict == verdict


def test_one_of_many_rules_takes_a_stricter_level() -> None:
    # Six seeds can reach a p of .03: enough for one rule, not for one out of two.
    values = [1.0, 1.1, 0.9, 1.05, 0.95, 1.0]
    alone = claim({"ask": "higher", "by": 0.1})
    assert judge(alone, figures(a=values, b=[0.0] * 6), "full").verdict == "holds"
    either = claim({"ask": "higher", "by": 0.1}, {"ask": "higher", "by": 0.1, "of": "c"},
                   holds="any")  # fmt: skip
    arms = figures(a=values, b=[0.0] * 6, c=[-v for v in values])
    assert judge(either, arms, "full").verdict == "undecided"


def test_what_would_decide_is_more_seeds_than_there_were() -> None:
    found = judge(
        claim({"ask": "higher", "by": 0.1}),
        figures(a=[0.1 + 10 * e + 0.05 for e in SPREAD], b=[0.0] * 10), "full",
    )  # fmt: skip
    [rule] = found.rules
    assert rule.answer == "open"
    assert rule.needed is not None
    assert rule.needed > 10
    assert f"about {rule.needed} seeds" in found.reason


def test_a_figure_that_is_no_number_decides_nothing() -> None:
    found = judge(
        claim({"ask": "higher", "by": 0.1}), figures(a=[float("nan")] * 10, b=[0.0] * 10), "full"
    )
    assert found.verdict == "undecided"


def test_a_metric_that_nobody_reports_is_said_with_the_nearest() -> None:
    made = claim({"ask": "higher", "by": 0.1, "metric": "mm"})
    with pytest.raises(UserError, match=r"rules\[0\]: found metric 'mm', a reports one of m"):
        judge(made, figures(a=[1.0], b=[1.0]), "small")


def test_a_number_may_stand_in_an_arms_place() -> None:
    made = claim({"ask": "higher", "than": 195.0})
    assert judge(made, figures(a=[200 + e for e in SPREAD]), "full").verdict == "holds"


def test_the_smallest_effect_must_be_said() -> None:
    with pytest.raises(ValueError, match="smallest effect"):
        Rule(says="s", metric="m", of="a", than="b", ask="higher")
