"""Arms ranked over runs that are data sets of their own."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import scipy.stats

from htmrun.cli.terminal.comparison_table import compare, rank
from htmrun.compare.runs import Choice
from htmrun.errors import UserError
from htmrun.training.records import Finished, Job
from tests.helpers.synthetic import tracker

# Accuracy of two classification sets, error of two series: the orders agree but for one.
SETS: dict[str, tuple[str, dict[str, float]]] = {
    "one": ("classification", {"online": 0.9, "minibatch": 0.8, "epoch_boost": 0.7}),
    "two": ("classification", {"online": 0.6, "minibatch": 0.5, "epoch_boost": 0.55}),
    "three": ("forecast", {"online": 1.0, "minibatch": 2.0, "epoch_boost": 3.0}),
    "four": ("forecast", {"online": 10.0, "minibatch": 11.0, "epoch_boost": 12.0}),
}
NAMES = [f"2026110{i}-000000-{name}-000{i}" for i, name in enumerate(SETS)]


@pytest.fixture
def store(runs: Path) -> str:
    for name, (experiment, (task, values)) in zip(NAMES, SETS.items(), strict=True):
        tags = {"htmrun.task": task, "htmrun.data_hash": experiment}
        with tracker(runs, name, experiment=experiment, tags=tags) as made:
            for arm, value in values.items():
                metric = "accuracy" if task == "classification" else "rmse_1"
                for seed in range(2):
                    figures = {metric: value + 0.001 * seed, "sp/sparsity": 0.02 * value}
                    made.handle(Finished(Job(arm, seed), figures, "h", 1.0))
    return str(runs)


def test_ranks_over_data_sets(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    rank(Choice(tuple(SETS), directory=store), "json")
    found = json.loads(capsys.readouterr().out)
    ranking = found["ranking"]
    assert dict(zip(ranking["arms"], ranking["ranks"], strict=True)) == {
        "online": 1.0, "minibatch": 2.25, "epoch_boost": 2.75,
    }  # fmt: skip
    better = [[-v if task == "forecast" else v for v in values.values()]
              for task, values in SETS.values()]  # fmt: skip
    theirs = scipy.stats.friedmanchisquare(*zip(*better, strict=True))
    assert (ranking["chi2"], ranking["p"]) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert [s["metric"] for s in found["sets"]] == ["accuracy"] * 2 + ["rmse_1"] * 2


@pytest.mark.parametrize("output_format", ["table", "markdown", "latex", "csv"])
def test_every_format_says_the_ranks(
    output_format: str, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rank(Choice(tuple(SETS), directory=store), output_format)
    text = capsys.readouterr().out
    assert "2.25" in text
    assert NAMES[3] in text
    if output_format == "csv":
        assert len(list(csv.DictReader(io.StringIO(text)))) == 12
    else:
        assert "not told apart" in text


def test_other_data_are_refused_without_rank(store: str) -> None:
    with pytest.raises(UserError) as caught:
        compare(Choice(("one", "two"), directory=store))
    assert "--rank ranks arms over runs as data sets" in str(caught.value)
    assert "other data: online@0000, minibatch@0000, epoch_boost@0000 (one);" in str(caught.value)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(("one", "two")), "--rank: found 2 runs, expected at least 3"),
        (Choice(tuple(SETS), ("rmse_1",)), "has no figure 'rmse_1'"),
        (Choice(tuple(SETS), ("sp/sparsity",)), "found 'sp/sparsity', expected a figure of which"),
        (Choice(tuple(SETS), ("a", "b")), "--metric: found 2 with --rank"),
        (Choice(tuple(SETS), arms=("online", "minibatch")), "--rank: found 2 arms"),
    ],
)
def test_mistakes_in_a_ranking_are_one_line(choice: Choice, message: str, store: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        rank(replace(choice, directory=store))
    assert "\n" not in str(caught.value)


def test_the_report_of_a_ranking_has_its_plot(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from htmrun.compare.overranks import over_ranks
    from htmrun.compare.report.ranked import critical_difference
    from htmrun.tracking.read_runs import read

    rank(Choice(tuple(SETS), directory=store), report=tmp_path / "page")
    assert "report.html" in capsys.readouterr().err
    page = (tmp_path / "page" / "report.html").read_text(encoding="utf-8")
    assert "Mean ranks, 1 is best: online 1.00, minibatch 2.25, epoch_boost 2.75." in page
    drawn = tmp_path / "page" / "plots" / "critical-difference.png"
    assert drawn.read_bytes()[:4] == b"\x89PNG"
    ranking = over_ranks(read(tuple(SETS), None, store), (), controls=False).ranking
    length, bars, points = critical_difference(ranking).spec["layer"]
    # Nemenyi: q.05 of three is 2.343; 2.343 * sqrt(3 * 4 / (6 * 4)) = 1.657.
    assert length["data"]["values"][0]["to"] == pytest.approx(1 + 1.657, abs=0.002)
    assert [p["rank"] for p in points["data"]["values"]] == [1.0, 2.25, 2.75]
    # 2.75 - 1 is more than that: two groups.
    spans = {(b["from"], b["to"]) for b in bars["data"]["values"]}
    assert spans == {(1.0, 2.25), (2.25, 2.75)}
