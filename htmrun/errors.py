"""Errors that a user can mend: one line, no traceback, exit status 2; and being asked to end."""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable, Mapping, Sequence


class UserError(Exception):
    """Something the user asked for cannot be done; the message says what and how to mend it."""


LISTED = 40
"""Names that a line lists at most."""


class StopRequestedError(Exception):
    """The user asked for the run to end; what raises it has written down what it keeps."""


_USABLE = "a file or folder that this user may use"
_DISK = {
    errno.ENOSPC: "room on the disk",
    errno.EDQUOT: "room in the quota",
    errno.EROFS: "a folder that can be written",
    errno.EACCES: _USABLE,
    errno.EPERM: _USABLE,
    errno.EIO: "a disk that works",
}
_SQLITE = re.compile(r"^\(?sqlite3\.OperationalError\)? *(.*?) *(\[SQL|$)", re.M)


def of_the_disk(error: BaseException | None) -> str | None:
    """Return one line where a disk is full, read-only or somebody else's; None for other errors."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK:
            place = "" if error.filename is None else f"{error.filename}: "
            return f"{place}{error.strerror}, expected {_DISK[error.errno]}"
        if found := _SQLITE.search(str(error)):
            return f"the runs' database: {found[1]}, expected one that can be used"
        error = error.__cause__ or error.__context__
    return None


def nearest(name: object, choices: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest of `choices`, or an empty string."""
    found = difflib.get_close_matches(str(name), list(choices), n=1, cutoff=0.55)
    return f"; did you mean '{found[0]}'?" if found else ""


def mismatch(path: str, found: object, choices: Iterable[str], what: str = "") -> str:
    """Return one line: where, what was found, what is allowed, and the nearest of it.

    `what` follows what was found, e.g. "which has no section".
    """
    return f"{path}: found {show(found)}{what and f', {what}'}, {one_of(found, choices)}"


def listed(names: Iterable[str]) -> str:
    """Return names with commas between; of very many only the first."""
    every = list(names)
    more = f" and {len(every) - LISTED:,} more" if len(every) > LISTED else ""
    return ", ".join(every[:LISTED]) + more


def one_of(found: object, choices: Iterable[str]) -> str:
    """Return "expected one of ..." with all choices, and the nearest to what was found."""
    names = list(choices)
    return f"expected one of {listed(names)}{nearest(found, names)}"


def must_be_one_of(path: str, found: object, choices: Iterable[str]) -> None:
    """Raise UserError unless `found` is among `choices`."""
    names = list(choices)
    if found not in names:
        raise UserError(mismatch(path, found, names))


def printable(text: str) -> str:
    """Return `text` on one line, with what cannot be seen written out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def show(value: object) -> str:
    """Return `value` as it would stand in YAML, shortened."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "a section" if value else "an empty section"
    if isinstance(value, str):
        text = f"'{printable(value)}'"
    elif isinstance(value, Sequence):
        text = f"[{', '.join(show(item) for item in value)}]"
    else:
        text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
