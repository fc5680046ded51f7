"""Errors that a user can mend: one line, no traceback, exit status 2; and being asked to end."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user asked for cannot be done; the message says what and how to mend it."""


class StopRequestedError(Exception):
    """The user asked for the run to end; what raises it has written down what it keeps."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest of `choices`, or an empty string."""
    found = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.55)
    return f"; did you mean '{found[0]}'?" if found else ""
