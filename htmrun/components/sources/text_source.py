"""Text that is read again and again: its encoding, and what opens it."""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from htmrun.components.files import MOST_BYTES, Unpacked, opened
from htmrun.errors import UserError, nearest

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks; that of UTF-32 begins like that of UTF-16, so it comes first."""
_COMMON = ("utf-8", "utf-16", "latin-1", "cp1252", "iso-8859-15", "shift_jis", "gb18030")


@dataclass(frozen=True)
class TextSource:
    """A file (gzip if it ends in .gz), or what `text` holds.

    encoding: a name that Python knows; None: what a byte order mark says, else UTF-8. most: bytes
    of the file, and after unpacking.
    """

    label: str
    path: Path | None = None
    text: str = ""
    encoding: str | None = None
    most: int = MOST_BYTES

    def open(self) -> TextIO:
        """Open it from the start; raises UserError if that fails."""
        if self.path is None:
            return io.StringIO(self.text, newline="")
        return io.TextIOWrapper(self._bytes(), encoding=self._found(), newline="")

    def _bytes(self) -> BinaryIO:
        assert self.path is not None
        file = opened(self.path, "a CSV file", "data.path", self.most)
        if self.path.suffix == ".gz":
            return io.BufferedReader(Unpacked(file, self.path, "a CSV file", self.most))
        return file

    def _found(self) -> str:
        """Return the codec, which leaves a byte order mark out."""
        if self.encoding is not None:
            name = canonical(self.encoding)
            return "utf-8-sig" if name == "utf-8" else name
        with self._bytes() as f:
            head = f.read(4)
        return next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8-sig")


def canonical(encoding: str) -> str:
    """Return what Python calls an encoding; raises UserError if it is none of text."""
    try:
        found = codecs.lookup(encoding)
        "".encode(found.name)
    except (LookupError, ValueError):
        raise UserError(
            f"data.encoding: found '{encoding}', expected the name of an encoding, such as "
            f"{', '.join(_COMMON)}{nearest(encoding, _COMMON)}"
        ) from None
    return found.name
