"""`show` explains every field, under the path that sets it."""

from __future__ import annotations

import pytest

from htmrun.config.compose import load
from htmrun.config.explain import Row, sections


def rows(name: str) -> dict[str, Row]:
    experiment = load([f"experiment={name}"]).experiment
    return {row.path: row for section in sections(experiment) for row in section.rows}


@pytest.mark.parametrize("name", ["digits", "stream", "sequences"])
def test_every_leaf_of_the_configuration_is_explained(name: str) -> None:
    def leaves(value: object, path: str) -> set[str]:
        if isinstance(value, dict) and value:
            return {leaf for k, v in value.items() for leaf in leaves(v, f"{path}.{k}".lstrip("."))}
        return {path}

    loaded = load([f"experiment={name}"])
    found = rows(name)
    assert set(found) == leaves(loaded.resolved, "")
    assert all(row.description and row.allowed for row in found.values())


def test_rows_say_type_bounds_choices_and_what_was_changed() -> None:
    found = rows("digits")
    assert found["sp.columns"].allowed == "integer 1 to 16777216"
    assert found["sp.density"].allowed == "number > 0, <= 0.5"
    assert found["sp.inhibition"].allowed == "global | local"
    assert found["arm.minibatch.learn_every"].allowed == "integer 1 to 16777216 | section | episode"
    assert found["data.kind"].allowed == (
        "bandit | cartpole | cifar10 | digits | folder | grid_world | idx | npz | reber | "
        "sequences | series"
    )
    assert found["arm.minibatch.learn_every"].changed
    assert not found["arm.online.learn_every"].changed
    assert not found["sp.wrap"].changed


def test_paths_can_be_set_as_they_are_shown() -> None:
    for path, row in rows("stream").items():
        if row.value.isdigit():
            load(["experiment=stream", f"{path}={row.value}"])
