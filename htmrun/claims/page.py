"""The page of all claims: every word of it comes from the claims' files and their outcomes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from htmrun.claims.catalogue import Known
from htmrun.claims.judging import EXACT
from htmrun.claims.outcome import VERDICTS, Figure, Outcome, Ruled
from htmrun.claims.schema import Claim
from htmrun.compare.numbers import number

_HEAD = """\
# The claims, settled

Each line is a claim or question about online learning, HTM and deep learning, as it was once
made in a discussion; the statement that was tested, and what came of it. The rule of each stood in
its file before it was run: metric, direction, smallest effect that matters, seeds; where figures of
the experiment had been seen before, the claim's note says so. A verdict takes at least six seeds
and an interval that lies wholly on one side ([statistics](statistics.md)). *Undecided* is an
answer, too. How to read and run them: [claims](../guides/claims.md).

This page is written by `htmrun claims --page docs/results/claims.md`; nothing in it is typed.
"""
_ASK = {
    "higher": "higher by", "lower": "lower by", "within": "within ±",
    "equal": "equal in every pair", "different": "another in some pair",
}  # fmt: skip


def page(known: Mapping[int, Known], outcomes: Mapping[int, Outcome]) -> str:
    """Return the page in Markdown, for claims in the order of their numbers."""
    counts = Counter(outcomes[n].verdict if n in outcomes else "not run" for n in known)
    told = ", ".join(
        f"{counts[verdict]} {verdict}" for verdict in (*VERDICTS, "not run") if counts[verdict]
    )
    rows = [
        f"| [{n}](#claim-{n}) | {cell(k.claim.claim)} | "
        f"{'**' + outcomes[n].verdict + '**' if n in outcomes else 'not run'} |"
        for n, k in known.items()
    ]
    links = {n: f"../../conf/claim/{k.path.name}" for n, k in known.items()}
    sections = [section(k.claim, outcomes.get(n), links) for n, k in known.items()]
    table = ["| # | claim or question | verdict |", "| ---: | --- | --- |", *rows]
    return "\n".join([_HEAD, f"{len(known)} claims: {told}.", "", *table, "", *sections])


def section(claim: Claim, outcome: Outcome | None, links: Mapping[int, str]) -> str:
    """Return what is said of one claim; links: to the files of claims, by number."""
    lines = [f"## Claim {claim.number}", "", f"> {claim.claim}", "", f"Tested: {claim.tested}"]
    if outcome is None:
        return "\n".join([*lines, "", "Not run.", ""])
    lines += ["", f"**{outcome.verdict[:1].upper()}{outcome.verdict[1:]}.** {_reason(outcome)}"]
    if claim.note:
        lines += ["", claim.note]
    lines += [*_rules(outcome.rules), *_controls(outcome.controls), *_shown(claim)]
    rule_of = f", [rules]({links[claim.number]})" if claim.number in links else ""
    lines += ["", f"`htmrun claim {claim.number}{' --full' * (outcome.size == 'full')}`{rule_of}"]
    by_hand = [c for c in outcome.commands if c.startswith("htmrun train")]
    if by_hand:
        lines += ["", "By hand:", "", "```", *by_hand, "```"]
    if outcome.origin is not None:
        o = outcome.origin
        commit = f", commit {o.commit}" if o.commit else ""
        took = f", {o.seconds:,.0f} s" if o.seconds else ""
        lines += ["", f"{o.date}, htmrun {o.version}{commit}, {o.machine}{took}."]
    return "\n".join([*lines, ""])


def cell(text: str) -> str:
    """Return text as a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def _reason(outcome: Outcome) -> str:
    # The table below says the figures; the reason is for a line without one.
    if not outcome.rules or outcome.verdict == "undecided":
        return outcome.reason
    deciding = [rule for rule in outcome.rules if not rule.check]
    sure = "yes" if outcome.verdict == "holds" else "no"
    return "; ".join(f"{rule.says}: {rule.answer}" for rule in deciding if rule.answer == sure)


def _rules(rules: Sequence[Ruled]) -> list[str]:
    if not rules:
        return []
    lines = [
        "",
        "| rule | metric | found | against | difference (95 %) | asked | answer |",
        "| --- | --- | ---: | ---: | ---: | --- | --- |",
    ]
    for rule in rules:
        against = f"{_mean(rule.than)} ({rule.than.name})" if rule.than else (
            "" if rule.number is None else number(rule.number)
        )  # fmt: skip
        says = f"{rule.says}{' (condition)' * rule.check}"
        cells = (
            says, rule.metric, f"{_mean(rule.of)} ({rule.of.name})", against, apart(rule),
            asked(rule), f"{rule.answer} ({rule.seeds} seeds)",
        )  # fmt: skip
        lines.append("| " + " | ".join(map(cell, cells)) + " |")
    return lines


def apart(rule: Ruled) -> str:
    """Return a rule's difference with its interval."""
    if rule.difference is None:
        return ""
    if rule.ask in EXACT:
        return f"in {rule.difference:g} of {rule.seeds}"
    if rule.low is None or rule.high is None:
        return number(rule.difference)
    low, high = (_end(end) for end in (rule.low, rule.high))
    return f"{number(rule.difference)} ({low} to {high})"


def asked(rule: Ruled) -> str:
    """Return what a rule asks of the difference."""
    by = "" if rule.ask in EXACT else f" {number(rule.by)}"
    return f"{_ASK[rule.ask]}{by}".replace("± ", "±")


def _end(value: float) -> str:
    return number(value) if math.isfinite(value) else ("∞" if value > 0 else "-∞")


def _mean(figure: Figure) -> str:
    mean = number(figure.mean, figure.metric)
    if figure.metric == "state_hash":
        return f"{figure.seeds} hashes"
    return mean if figure.half is None else f"{mean} ± {number(figure.half)}"


def _controls(controls: Sequence[Figure]) -> list[str]:
    if not controls:
        return []
    told = [f"{f.name} {f.metric} {_mean(f)}" for f in controls]
    return ["", f"Control: {'; '.join(told)}."]


def _shown(claim: Claim) -> list[str]:
    if not claim.shown:
        return []
    return ["", "Shown by:", "", *(f"- {s.what}: `{s.where}`" for s in claim.shown)]
