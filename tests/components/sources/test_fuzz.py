"""Readers of every format on damaged files: data or a UserError, whatever the bytes are."""

from __future__ import annotations

import pytest

from tests.helpers.fuzz import SEEDS, many, reader

KEPT: list[tuple[str, bytes]] = [
    ("csv", b"ts\tload\n1767571200\t1e5\n" + b"9" * 400 + b"\t2\n"),
    # Eight axes, one of which is none, so that their product says nothing of the others.
    ("idx", b"\0\0\x08\x08" + b"\0\0\0\0" + b"\xff" * 28),
    # References to other fields that cannot be read.
    ("yaml", b"a:  e.${{;{{{,"),
    ("yaml", b"a: x&1[, &x [1,\nd: aa${}\n? t\n"),
    # A time with a blank beside it, among others that are read only at a second look.
    ("csv", b"when,load\n2026-01-05 00:00,1\n02236-01/05 01:00,2\n2260-01-05 0500\t,3\n"),
]
"""What once broke a reader."""


def of_another_zip() -> bytes:
    """Return a checkpoint whose archive says that it needs a version of zip that nobody has."""
    (content,) = SEEDS["checkpoint"]
    place = content.index(b"PK\x01\x02") + 6
    return content[:place] + b"\x7e" + content[place + 1 :]


KEPT.append(("checkpoint", of_another_zip()))


@pytest.mark.parametrize("name", SEEDS)
def test_damaged_bytes_are_data_or_one_error(name: str) -> None:
    broke: list[bytes] = []
    assert many(name, reader(name), broke.append, examples=60) > 0
    assert broke == []


@pytest.mark.parametrize(("name", "content"), KEPT)
def test_what_broke_a_reader_once_breaks_it_no_more(name: str, content: bytes) -> None:
    reader(name)(content)
