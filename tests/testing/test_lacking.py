"""A class of checks that does not say what it checks is named, with what it lacks."""

from __future__ import annotations

import pytest

from htmrun.testing import ReadoutChecks, StageChecks


def test_what_a_class_of_checks_lacks_is_said() -> None:
    class Empty(ReadoutChecks):
        pass

    class Stage(StageChecks):
        pass

    with pytest.raises(TypeError, match=r"Empty has no make\(\), expected one of its own"):
        Empty().make(0)
    with pytest.raises(TypeError, match=r"Stage has no parameters\(\), expected one"):
        Stage().parameters(0)
