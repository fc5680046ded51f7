"""Claims as `htmrun claims` lists and `htmrun claim` runs them."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from htmrun.claims import keeping
from htmrun.claims.catalogue import Known, chosen, claims
from htmrun.claims.judging import EXACT, leaning
from htmrun.claims.outcome import VERDICTS, Outcome, Ruled, to_json
from htmrun.claims.page import apart, asked, page
from htmrun.claims.playing import Player
from htmrun.claims.recording import record
from htmrun.claims.schema import Claim, Rule, Size
from htmrun.cli.terminal.terminal import console_for
from htmrun.compare.numbers import duration, number
from htmrun.errors import UserError, must_be_one_of
from htmrun.execution.signals import terminations_raised

FORMATS = ("table", "json")
STATES = (*VERDICTS, "not run")
_STYLES = {
    "holds": "green", "does not hold": "red", "undecided": "yellow", "answered": "cyan",
    "needs a card": "magenta", "not run": "dim", "yes": "green", "no": "red", "open": "yellow",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """Which claims, how large, and where everything is kept."""

    wanted: str
    size: Size
    uri: str | None
    directory: str
    config_dir: Path | None
    record: bool


def show(verdict: str | None, output_format: str, directory: str, config_dir: Path | None) -> None:
    """Print all claims, with the user's own outcomes before the shipped ones; raises UserError."""
    must_be_one_of("--format", output_format, FORMATS)
    if verdict is not None:
        must_be_one_of("--verdict", verdict, STATES)
    known = claims(config_dir)
    mine = keeping.own(directory, known)
    found = keeping.settled() | {n: o for n, o in mine.items() if o.size == "full"}
    stands = {n: found[n].verdict if n in found else "not run" for n in known}
    shown = {n: k for n, k in known.items() if verdict in (None, stands[n])}
    if output_format == "json":
        print(json.dumps([_plain(k, found.get(n)) for n, k in shown.items()], indent=1))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("#", justify="right")
    table.add_column("claim or question", ratio=1)
    table.add_column("verdict", no_wrap=True)
    table.add_column("from", no_wrap=True, style="dim")
    for n, k in shown.items():
        table.add_row(
            str(n), Text(k.claim.claim), Text(stands[n], _STYLES[stands[n]]), _from(n, found, mine)
        )
    out = console_for(sys.stdout)
    out.print(table)
    counts = Counter(stands.values())
    out.print(", ".join(f"{counts[state]} {state}" for state in STATES if counts[state]))
    out.print("htmrun claim N runs one; --full decides it; --dry-run shows its rules", style="dim")


def write_page(path: Path, config_dir: Path | None) -> None:
    """Write the page of all claims from the shipped outcomes; raises UserError."""
    try:
        path.write_text(page(claims(config_dir), keeping.settled()), encoding="utf-8")
    except OSError as error:
        raise UserError(f"--page: cannot write to {path}: {error.strerror}") from None
    print(path)


def settle(directory: str, config_dir: Path | None) -> None:
    """Take the full runs of a folder into the file that ships."""
    found = [keeping.kept(directory, number, "full") for number in claims(config_dir)]
    made = [outcome for outcome in found if outcome is not None]
    keeping.settle(made)
    print(f"{len(made)} outcomes taken into {keeping.SETTLED}")


def dry_run(given: Asked) -> int:
    """Print each claim's rules and what would run; return 0. Raises UserError."""
    out, player = console_for(sys.stdout), _player(given)
    for known in chosen(given.wanted, given.config_dir):
        player.check(known.claim)
        out.print(_heading(known.claim))
        out.print(Text(f"  rules: {known.path}", "dim"), soft_wrap=True)
        for rule in known.claim.rules:
            condition = " (condition)" * rule.check
            out.print(Text(f"  {rule.says}? {_question(rule)}{condition}"), soft_wrap=True)
        for line in player.commands(known.claim):
            out.print(Text(f"  $ {line}"), soft_wrap=True)
    return 0


def run(given: Asked, *, missing: bool, json_output: bool) -> int:
    """Run claims one after the other, say and keep each outcome; return 0. Raises UserError."""
    wanted = chosen(given.wanted, given.config_dir)
    if missing:
        wanted = [k for k in wanted if _kept(given, k.claim.number) is None]
    err = console_for(sys.stderr if json_output else sys.stdout)
    player = _player(given)
    for known in wanted:  # What cannot be run is said before the first that can.
        player.check(known.claim)
    view = _Progress(err)
    player.told = view.told
    found: list[Outcome] = []
    with terminations_raised():
        for known in wanted:
            err.print(_heading(known.claim))
            try:
                outcome = player.play(known.claim)
            except (KeyboardInterrupt, SystemExit):
                _interrupted(given, found, wanted)
                raise
            finally:
                view.close()
            keeping.keep(outcome, given.directory)
            if given.record:
                record(known.claim, outcome, given.uri, given.directory)
            err.print(_said(outcome))
            found.append(outcome)
    if json_output:
        print(json.dumps([to_json(outcome) for outcome in found]), flush=True)
    elif len(found) > 1:
        counts = Counter(outcome.verdict for outcome in found)
        err.print(", ".join(f"{counts[v]} {v}" for v in VERDICTS if counts[v]))
    return 0


class _Progress:
    """One line for each part that runs; on a terminal it counts the jobs that have ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._line = ""

    def told(self, command: str, done: int, jobs: int) -> None:
        """Take in that `done` of a command's jobs have ended."""
        out = self._console
        if command != self._line:
            self._line = command
            out.print(Text(f"  $ {command}", "dim"), soft_wrap=True)
        if out.is_terminal:
            out.file.write(f"\r  {done} of {jobs} jobs" + ("\r\033[K" if done == jobs else ""))
            out.file.flush()

    def close(self) -> None:
        """Leave no half line behind."""
        out = self._console
        if out.is_terminal:
            out.file.write("\r\033[K")


def _player(given: Asked) -> Player:
    return Player(given.size, given.directory, given.uri, given.config_dir, given.record)


def _kept(given: Asked, number_of: int) -> Outcome | None:
    return keeping.kept(given.directory, number_of, given.size)


def _interrupted(given: Asked, found: list[Outcome], wanted: list[Known]) -> None:
    full = " --full" * (given.size == "full")
    print(
        f"interrupted: {len(found)} of {len(wanted)} claims are done; go on with htmrun claim "
        f"{given.wanted}{full} --missing",
        file=sys.stderr,
    )


def _heading(claim: Claim) -> Group:
    return Group(
        Text.assemble((f"claim {claim.number}  ", "bold"), (claim.claim, "bold")),
        Padding(Text(f"tested: {claim.tested}"), (0, 0, 0, 2)),
    )


def _said(outcome: Outcome) -> Group:
    lines: list[RenderableType] = []
    if outcome.rules:
        lines.append(Padding(_table(outcome), (0, 0, 0, 2)))
    for control in outcome.controls:
        half = "" if control.half is None else f" ± {number(control.half)}"
        mean = number(control.mean, control.metric)
        lines.append(Text(f"  control {control.name}: {control.metric} {mean}{half}", "dim"))
    style = f"bold {_STYLES[outcome.verdict]}"
    lines.append(Padding(Text.assemble((outcome.verdict, style), f": {outcome.reason}"), (0, 2)))
    if outcome.origin is not None and outcome.origin.seconds:
        runs = f", runs {', '.join(outcome.runs)}" if outcome.runs else ""
        lines.append(Text(f"  {duration(outcome.origin.seconds)}{runs}", "dim"))
    return Group(*lines, Text(""))


def _table(outcome: Outcome) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("rule", "found", "against", "difference (95 %)", "asked", "answer"):
        table.add_column(heading)
    for rule in outcome.rules:
        against = rule.than.mean if rule.than is not None else rule.number
        hashes = rule.metric == "state_hash"
        table.add_row(
            rule.says + " (condition)" * rule.check,
            f"{rule.of.seeds} hashes" if hashes else number(rule.of.mean, rule.metric),
            "" if against is None or hashes else number(against, rule.metric),
            apart(rule), asked(rule), _answer(rule),
        )  # fmt: skip
    return table


def _answer(rule: Ruled) -> Text:
    leans = leaning(rule)
    if rule.answer == "open" and leans != "open":
        return Text(f"open (mean: {leans})", _STYLES["open"])
    return Text(rule.answer, _STYLES[rule.answer])


def _question(rule: Rule) -> str:
    other = rule.than if isinstance(rule.than, float) else rule.other
    further = f" {rule.than_metric}" if rule.than_metric else ""
    what = f"{rule.metric} of {rule.of}"
    if rule.ask in EXACT:
        return f"{what} {rule.ask} from {other}{further}".replace("equal from", "equal to")
    word = {"higher": "higher than", "lower": "lower than", "within": "as"}[rule.ask]
    by = f"{rule.by:g}" if isinstance(rule.by, float) else rule.by
    return f"{what} {word} {other}{further} {'within' if rule.ask == 'within' else 'by'} {by}"


def _from(number_of: int, found: Mapping[int, Outcome], mine: Mapping[int, Outcome]) -> str:
    if number_of in mine and mine[number_of].size == "full":
        return f"your run, {_date(mine[number_of])}"
    small = f"; your small run, {_date(mine[number_of])}" if number_of in mine else ""
    return f"{_date(found[number_of])}{small}" if number_of in found else small.lstrip("; ")


def _date(outcome: Outcome) -> str:
    return outcome.origin.date if outcome.origin is not None else ""


def _plain(known: Known, outcome: Outcome | None) -> dict[str, object]:
    return {
        **known.claim.model_dump(mode="json"),
        "outcome": None if outcome is None else to_json(outcome),
    }
