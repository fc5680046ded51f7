"""Claims run, kept, recorded and shown: with a tiny experiment, and with a measurement."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from htmrun.claims import keeping
from htmrun.claims.catalogue import claims
from htmrun.claims.measures import MEASURES, measure
from htmrun.claims.outcome import from_json, to_json
from htmrun.claims.page import page
from htmrun.claims.playing import Player
from htmrun.claims.schema import Claim
from htmrun.cli import main
from htmrun.experiment import run
from htmrun.tracking.store import open_existing

TINY = """\
number: 501
claim: A pooler that learns is no better than one that does not | or is it?
tested: Learning helps.
parts:
  p:
    experiment: digits
    settings: ["arms=[online,untrained]", sp.columns=64, curve_points=2, data.train_images=200]
rules:
  - {says: Online learns, metric: accuracy, of: online, than: untrained, ask: within, by: 2.0}
control: [untrained]
seeds: {first: 3, small: 2, full: 6}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own" / "claim").mkdir(parents=True)
    text = TINY.replace("data.train_images=200", "epochs=1, workers=1")
    (tmp_path / "own" / "claim" / "501.yaml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_a_claim_is_run_kept_recorded_and_listed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["claim", "501", "--full", "--config-dir", "own"]) == 0
    said = capsys.readouterr().out
    assert "holds: Online learns: yes" in said
    assert "control untrained: accuracy" in said
    assert "'arms=[online,untrained]'" in said
    kept = json.loads((folder / "runs" / "claims" / "501-full.json").read_text())
    outcome = from_json(kept)
    assert json.loads(json.dumps(to_json(outcome))) == kept
    [rule] = outcome.rules
    by_hand = run(
        ["experiment=digits", "arms=[online,untrained]", "sp.columns=64", "curve_points=2",
         "epochs=1", "seeds=[3,4,5,6,7,8]"]
    ).frame  # fmt: skip
    means = by_hand.groupby("arm")["accuracy"].mean()
    assert rule.difference == pytest.approx(means["online"] - means["untrained"], abs=1e-12)
    assert rule.seeds == 6
    _, client = open_existing(None, "runs")
    place = client.get_experiment_by_name("claims")
    [recorded] = client.search_runs([place.experiment_id])
    assert recorded.data.tags["htmrun.verdict"] == "holds"
    assert recorded.data.metrics["rule_1/difference"] == rule.difference
    assert main(["runs"]) == 0  # A verdict is no run of an experiment.
    assert main(["compare"]) == 0
    capsys.readouterr()
    assert main(["claims", "--config-dir", "own", "--format", "json"]) == 0
    listed = {c["number"]: c for c in json.loads(capsys.readouterr().out)}
    assert listed[501]["outcome"]["verdict"] == "holds"
    assert main(["claim", "501", "--full", "--missing", "--config-dir", "own"]) == 0
    assert "claim 501" not in capsys.readouterr().out


def test_a_dry_run_says_rules_and_commands_and_runs_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["claim", "501", "--dry-run", "--config-dir", "own"]) == 0
    said = capsys.readouterr().out
    assert "accuracy of online as untrained within 2" in said
    assert "htmrun train experiment=digits 'arms=[online,untrained]'" in said
    assert not (folder / "runs").exists()


def test_a_measurement_is_repeated_for_each_seed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def ratio(size: str, seed: int) -> dict[str, float]:
        return {"ratio": 3.0 + 0.01 * seed, "other": 1.0}

    monkeypatch.setitem(MEASURES, "ratio", ratio)
    text = TINY.partition("parts:")[0] + (
        "parts: {p: {measure: ratio}}\n"
        "rules: [{says: faster, metric: ratio, than_metric: other, ask: higher, by: 1.5}]\n"
    )
    (tmp_path / "claim").mkdir()
    (tmp_path / "claim" / "501.yaml").write_text(text, encoding="utf-8")
    known = claims(tmp_path)[501]
    outcome = Player("full", record=False).play(known.claim)
    assert outcome.verdict == "holds"
    assert outcome.rules[0].of.mean == pytest.approx(3.045)
    assert outcome.rules[0].difference == pytest.approx(2.045)


def test_a_measurement_registers_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def lonely(size: str, seed: int) -> dict[str, float]:
        return {}

    monkeypatch.delitem(MEASURES, "lonely", raising=False)
    measure(lonely)
    assert MEASURES.pop("lonely") is lonely


def test_outcomes_are_settled_beside_those_of_other_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "settled.json"
    monkeypatch.setattr(keeping, "SETTLED", path)
    first = Player("full", record=False).play(_words(1))
    keeping.settle([first], path)
    other = replace(first, number=2)
    keeping.settle([other], path)
    assert keeping.settled() == {1: first, 2: other}


def test_the_page_holds_what_cells_of_a_table_cannot(folder: Path) -> None:
    known = {501: claims(folder / "own")[501]}
    text = page(known, {})
    assert "does not \\| or is it?" in text
    assert "1 not run" in text


def test_an_outcome_that_is_none_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "runs" / "claims").mkdir(parents=True)
    (folder / "runs" / "claims" / "501-full.json").write_text("{}", encoding="utf-8")
    assert main(["claims", "--config-dir", "own"]) == 2
    assert "501-full.json: found no outcome of a claim" in capsys.readouterr().err


def _words(number: int) -> Claim:
    return Claim.model_validate(
        {
            "number": number, "claim": "c", "tested": "t", "by": "words", "answer": "Yes.",
            "shown": [{"what": "w", "where": "htmrun doctor"}],
        }
    )  # fmt: skip
