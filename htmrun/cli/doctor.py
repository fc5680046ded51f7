"""`htmrun doctor`: versions, devices, what is missing and what that costs."""

from __future__ import annotations

from htmrun.cli.options import Directory, Uri

NAME = "doctor"
HELP = "Say what this machine offers, what is missing and what that costs."
USAGE = {
    "htmrun doctor": "looks only; changes nothing",
    "htmrun doctor --uri http://host:5000": "can runs be recorded there?",
}


def command(uri: Uri = None, directory: Directory = "runs") -> None:
    from htmrun.cli.diagnosis import examine, print_findings

    print_findings(list(examine(uri, directory)))
