"""Whatever stands in a configuration: a valid experiment comes of it, or lines for the user."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from htmrun.config.compose import compose, load
from htmrun.config.overrides import rewrite
from htmrun.config.validation import plain, validate
from htmrun.errors import UserError

SOME = settings(
    max_examples=400, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
FEW = settings(SOME, max_examples=20)
NUMBERS = st.one_of(
    st.integers(-3, 3000),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.sampled_from([1e308, -0.0]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=12), st.binary(max_size=3))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.text(max_size=6), st.integers(0, 3)), inner, max_size=3),
    ),
    max_leaves=6,
)


@cache
def whole(name: str) -> dict[str, Any]:
    return compose([f"experiment={name}"])


def places(section: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return where something stands, sections included."""
    found = []
    for key, value in section.items():
        found.append((*path, key))
        if isinstance(value, dict):
            found += places(value, (*path, key))
    return found


def lines_or_nothing(error: UserError) -> None:
    assert all(": " in line for line in str(error).splitlines()), str(error)


@SOME
@given(st.data(), st.sampled_from(["digits", "stream", "sparse_digits"]))
def test_any_value_in_any_field_is_taken_whole_or_refused(data: st.DataObject, name: str) -> None:
    raw = copy.deepcopy(whole(name))
    for *front, last in data.draw(st.lists(st.sampled_from(places(raw)), min_size=1, max_size=3)):
        section: Any = raw
        for key in front:
            section = section.get(key) if isinstance(section, dict) else None
        if isinstance(section, dict):
            section[last] = data.draw(VALUES)
    try:
        experiment = validate(raw)
    except UserError as error:
        lines_or_nothing(error)
        return
    assert plain(validate(plain(experiment))) == plain(experiment)


@SOME
@given(
    st.one_of(
        st.text(max_size=40), st.from_regex(r"[+~]?[a-z.@/]{1,9}=[^\x00]{0,30}", fullmatch=True)
    )
)
def test_any_override_is_rewritten_or_refused(text: str) -> None:
    try:
        (found,) = rewrite([text], None)
    except UserError as error:
        lines_or_nothing(error)
    else:
        assert "=" in found or found.startswith("~")


@FEW
@given(st.data())
def test_any_overrides_together_are_composed_or_refused(data: st.DataObject) -> None:
    keys = st.sampled_from([".".join(place) for place in places(whole("digits"))])
    values = st.one_of(
        NUMBERS.map(str), st.sampled_from(["null", "[1,2]", "{a:1}", "${epochs}", "x", "${", "'"]),
        st.text(max_size=8),
    )  # fmt: skip
    pairs = data.draw(st.lists(st.tuples(keys, values), min_size=1, max_size=3))
    try:
        load(["experiment=digits", *(f"{key}={value}" for key, value in pairs)])
    except UserError as error:
        lines_or_nothing(error)
