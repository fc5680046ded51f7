"""`htmrun doctor`: versions, devices, what is missing and what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from htmrun.cli.options import Directory, Uri

if TYPE_CHECKING:
    from htmrun.cli.diagnosis import Finding

NAME = "doctor"
HELP = "Say what this machine offers, what is missing and what that costs."
USAGE = {
    "htmrun doctor": "looks only; changes nothing",
    "htmrun doctor --uri http://host:5000": "can runs be recorded there?",
}
STYLES = {"ok": "green", "note": "cyan", "warning": "yellow"}


def command(uri: Uri = None, directory: Directory = "runs") -> None:
    from htmrun.cli.diagnosis import examine

    _print(list(examine(uri, directory)))


def _print(findings: list[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    from htmrun.cli.listing import console

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for finding in findings:
        mark = Text(finding.state, style=STYLES[finding.state])
        text = Text(finding.found)
        if finding.cost:
            text.append(f"\n{finding.cost}", style="dim")
        table.add_row(mark, Text(finding.what), text)
    console().print(table)
    warnings = sum(finding.state == "warning" for finding in findings)
    print(_verdict(warnings))


def _verdict(warnings: int) -> str:
    if warnings == 0:
        return "Nothing is missing that a run needs."
    return f"{warnings} warning{'' if warnings == 1 else 's'}: see above for what it costs."
