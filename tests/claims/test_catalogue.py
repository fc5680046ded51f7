"""The files of claims: those that ship are whole, and what is wrong in one is said in one line."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from htmrun.claims import keeping
from htmrun.claims.catalogue import Known, chosen, claims, read
from htmrun.claims.page import page
from htmrun.claims.playing import Player
from htmrun.config.catalogue import groups, is_group
from htmrun.errors import UserError
from tests.helpers.pages import ROOT

SHIPPED = claims()
GOOD = """\
number: 500
claim: c
tested: t
parts: {p: {experiment: digits}}
rules: [{says: s, metric: accuracy, of: online, than: untrained, ask: higher, by: 0.01}]
control: [untrained]
"""
SECOND = "{says: t, metric: accuracy, of: online, than: untrained, ask: lower, by: 0.01}"


@pytest.mark.parametrize("known", SHIPPED.values(), ids=lambda k: k.path.stem)
@pytest.mark.parametrize("size", ["small", "full"])
def test_every_claim_can_be_run(known: Known, size: str) -> None:
    Player(size).check(known.claim)  # type: ignore[arg-type]
    assert known.path.stem == f"{known.claim.number:02d}"
    assert known.claim.seeds.full >= 6
    assert known.claim.by == "words" or known.claim.control or "control" in known.claim.note


def test_claims_are_no_choices_of_an_experiment() -> None:
    assert "claim" not in groups(None)
    assert not is_group("claim", None)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("number: 500", "number: many"), "number: found 'many', expected a valid integer"),
        (("claim: c", "clam: c"), "clam: unknown field; did you mean 'claim'?"),
        (("tested: t\n", ""), "tested: missing"),
        (("ask: higher", "ask: more"), "rules[0].ask: found 'more', expected one of 'higher'"),
        (("by: 0.01", "by: lots"), "rules[0].by.found 'lots', expected a number"),
        (("by: 0.01", "buy: 1"), "rules[0].buy: unknown field; did you mean 'by'?"),
        (("experiment: digits", "measure: speed"), "measure: found 'speed', expected one of"),
        (("of: online", "of: q/online"), "rules[0].of: found 'q', expected one of p"),
        (("control: [", "seeds: {full: 5}\ncontrol: ["), "seeds.full: found 5"),
        (("ask: higher, by: 0.01}]\n", f"ask: higher, by: 0.01}}, {SECOND}]\nseeds: {{full: 6}}\n"),
         "seeds.full: found 6, expected at least 7"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_said_with_its_place(
    tmp_path: Path, change: tuple[str, str], line: str
) -> None:
    path = tmp_path / "500.yaml"
    path.write_text(GOOD.replace(*change), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert line in str(caught.value)


def test_an_arm_that_there_is_not_is_said_before_anything_runs(tmp_path: Path) -> None:
    path = tmp_path / "500.yaml"
    path.write_text(GOOD.replace("of: online", "of: onlin"), encoding="utf-8")
    with pytest.raises(UserError, match=r"claim 500: rules\[0\].of: found 'onlin', expected one"):
        Player("small").check(read(path))


def test_a_claim_that_there_is_not() -> None:
    with pytest.raises(UserError, match="N: found '999', expected all or a number from"):
        chosen("999")
    with pytest.raises(UserError, match="N: found 'x'"):
        chosen("28,x")


def test_a_claim_of_the_users_hides_a_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "claim").mkdir()
    path = tmp_path / "claim" / "mine.yaml"
    path.write_text(GOOD.replace("number: 500", "number: 28"), encoding="utf-8")
    assert claims(tmp_path)[28].path == path
    twice = dedent(GOOD).replace("number: 500", "number: 28")
    (tmp_path / "claim" / "other.yaml").write_text(twice, encoding="utf-8")
    with pytest.raises(UserError, match=r"number: found 28, which mine.yaml has too"):
        claims(tmp_path)


@pytest.mark.skipif(not keeping.SETTLED.exists(), reason="no outcomes ship yet")
def test_the_published_page_is_what_the_outcomes_say() -> None:
    written = (ROOT / "docs" / "results" / "claims.md").read_text(encoding="utf-8")
    assert written == page(SHIPPED, keeping.settled())


def test_no_shipped_verdict_comes_from_fewer_than_six_seeds_or_a_small_run() -> None:
    for outcome in keeping.settled().values():
        assert outcome.size == "full" or outcome.verdict in ("answered", "needs a card")
        if outcome.verdict in ("holds", "does not hold"):
            assert min(rule.seeds for rule in outcome.rules) >= 6
