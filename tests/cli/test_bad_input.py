"""Bad input of every kind: one line that names it, status 2, nothing written, few bytes, soon."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from htmrun.cli import main
from tests.cli import bad_files, bad_settings
from tests.helpers.bad_input import BYTES, SECONDS, Bad, answer_to

TABLE = [*bad_files.BAD, *bad_settings.BAD]


def test_the_table_is_long_and_names_each_input_once() -> None:
    assert len(TABLE) >= 150
    assert [name for name, times in Counter(bad.name for bad in TABLE).items() if times > 1] == []


@pytest.mark.skipif(sys.platform != "linux", reason="its limits of memory are those of Linux")
@pytest.mark.xdist_group("bad input")
@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.name)
def test_bad_input_is_one_line_and_leaves_nothing_behind(bad: Bad, tmp_path: Path) -> None:
    answer = answer_to(bad, tmp_path)
    assert answer.err.count("\n") == 1, answer.err
    assert answer.err.startswith("error: ")
    assert bad.expected in answer.err
    assert answer.status == 2
    assert answer.out == ""
    assert answer.written == ()
    assert 0 < answer.peak < BYTES
    assert answer.seconds < SECONDS


def test_a_value_that_is_no_text_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "experiment=digits", 'description="a\udcff b"', "tracking=none"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "error: found a character that is no text in a value, expected UTF-8\n"
