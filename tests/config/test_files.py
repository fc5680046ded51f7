"""A whole configuration as a file, as runs and sweeps leave them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from htmrun.config.compose import load
from htmrun.config.validation import plain
from htmrun.errors import UserError


@pytest.fixture
def file(tmp_path: Path) -> str:
    resolved = load(["experiment=digits", "sp.columns=512"]).resolved
    path = tmp_path / "best.yaml"
    path.write_text(yaml.safe_dump(resolved, sort_keys=False), encoding="utf-8")
    return str(path)


def complaint(overrides: list[str]) -> str:
    with pytest.raises(UserError) as caught:
        load(overrides)
    return str(caught.value)


@pytest.mark.parametrize("experiment", ["digits", "sequences", "stream", "reber", "mnist"])
def test_what_was_resolved_loads_as_the_same(experiment: str, tmp_path: Path) -> None:
    loaded = load([f"experiment={experiment}"])
    path = tmp_path / "resolved.yml"
    path.write_text(yaml.safe_dump(loaded.resolved, sort_keys=False), encoding="utf-8")
    again = load([str(path)])
    assert again.experiment == loaded.experiment
    assert plain(again.experiment) == loaded.resolved


def test_overrides_stay_on_top_of_a_file(file: str) -> None:
    overrides = ["sp.density=0.05", "tracking=none", "arm.mine.learn_every=7", "~control.no_sp"]
    experiment = load([file, *overrides]).experiment
    sp = experiment.stages["sp"]
    assert (sp.columns, sp.density) == (512, 0.05)  # type: ignore[union-attr]
    assert not experiment.tracking.enabled
    assert experiment.arm["mine"].learn_every == 7
    assert "no_sp" not in experiment.control


def test_a_file_that_will_not_do_is_one_line(file: str, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    assert complaint([str(other)]) == (
        f"{other}: cannot be read (No such file or directory), expected a YAML file with a whole "
        "configuration"
    )
    other.write_text("trials: 3\n")
    assert complaint([str(other)]).startswith(f"{other}: found no section 'pipeline', expected a")
    other.write_text("a: [1\n")
    assert complaint([str(other)]).startswith(f"{other}:2: ")
    assert complaint([file, str(other)]).endswith("expected one")
    assert complaint([file, "experiment=digits"]) == (
        f"experiment: found beside the file {file}, which is one, expected one of them"
    )
    assert complaint([file, "sp.colums=3"]) == (
        "sp.colums: unknown field, found 3; did you mean 'columns'?"
    )


def test_columns_that_nothing_reads_are_refused() -> None:
    stream = ["experiment=stream", "data.path=x.csv", "data.values=[temperature]"]
    assert complaint(stream) == (
        "data.values[0]: found 'temperature', which no encoder reads, expected "
        "encoder.fields.temperature, or the column left out"
    )
    load([*stream, "encoder.fields.temperature.kind=rdse"])
    load([*stream, "encoder.fields.warm={kind: rdse, field: temperature}"])
    single = [*stream, "encoder=scalar", "~encoder.fields"]
    assert complaint(single).endswith("expected encoder.field=temperature, or the column left out")
