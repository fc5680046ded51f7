"""experiment=csv looks at a file; a YAML file may build on an experiment."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

from htmrun.cli import main
from htmrun.config.compose import load
from htmrun.errors import UserError

Table = Callable[..., Path]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    """Write `my load.csv`: a header, and so many steps of `hours` from the first of 2024."""
    monkeypatch.chdir(tmp_path)

    def write(
        rows: int, hours: float = 1, header: Sequence[str] = ("when", "load"),
        cells: Callable[[int], Sequence[object]] = lambda i: [i % 7],
    ) -> Path:  # fmt: skip
        path = tmp_path / "my load.csv"
        lines = [",".join(header)]
        for i in range(rows):
            time = datetime(2024, 1, 1) + timedelta(hours=hours * i)
            lines.append(",".join([time.isoformat(" "), *map(str, cells(i))]))
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def seen(*overrides: str) -> dict[str, object]:
    """Return what an own file was taken for, by field."""
    own = load(["experiment=csv", "data.path='my load.csv'", *overrides]).own_file
    assert own is not None
    return {choice.field.removeprefix("encoder.fields.timestamp."): choice.value
            for choice in own.taken}  # fmt: skip


def test_what_an_hourly_file_of_two_months_holds(table: Table) -> None:
    table(24 * 60)
    found = seen()
    assert found["data.value"] == "load"
    assert found["data.timestamp"] == "when"
    assert found["time_of_day"] == {"size": 240, "active": 21}
    assert found["day_of_week"] == {"size": 147, "active": 21}
    assert found["season"] is None
    assert found["weekend"] is None
    assert "data.missing" not in found
    loaded = load(["experiment=csv", "data.path='my load.csv'"])
    assert loaded.experiment.name == "my_load"
    dates = loaded.resolved["encoder"]["fields"]["timestamp"]
    assert (dates["season"], dates["day_of_week"]["size"]) == (None, 147)


@pytest.mark.parametrize(
    ("rows", "hours", "parts"),
    [
        (200, 24, {"day_of_week"}),
        (24 * 5, 1, {"time_of_day"}),
        (800, 24, {"day_of_week", "season"}),
        (40, 24 * 30.5, {"season"}),
        (20, 24 * 365, set()),
    ],
)
def test_only_what_goes_round_twice_is_encoded(
    table: Table, rows: int, hours: float, parts: set[str]
) -> None:
    table(rows, hours)
    fields = load(["experiment=csv", "data.path='my load.csv'"]).resolved["encoder"]["fields"]
    dates = fields.get("timestamp", {})
    assert {name for name, part in dates.items() if isinstance(part, dict)} == parts


def test_what_is_not_encoded_has_its_reason(table: Table) -> None:
    table(40, 24 * 30.5)
    own = load(["experiment=csv", "data.path='my load.csv'"]).own_file
    assert own is not None
    reasons = {c.field.rpartition(".")[2]: c.reason for c in own.taken}
    assert reasons["time_of_day"] == "a step of a day or more"
    assert reasons["day_of_week"] == reasons["weekend"] == "a step of two days or more"
    table(24 * 5)
    own = load(["experiment=csv", "data.path='my load.csv'"]).own_file
    assert own is not None
    reasons = {c.field.rpartition(".")[2]: c.reason for c in own.taken}
    assert reasons["day_of_week"] == reasons["weekend"] == "less than three weeks"
    assert reasons["season"] == "no two years"


def test_a_missing_value_is_filled_and_said(table: Table) -> None:
    table(100, cells=lambda i: ["" if i == 50 else i % 7])
    assert seen()["data.missing"] == "previous"
    assert "data.missing" not in seen("data.missing=skip")
    assert load(["experiment=csv", "data.path='my load.csv'", "data.missing=skip"]).resolved[
        "data"]["missing"] == "skip"  # fmt: skip


def test_the_newest_row_first_is_sorted(table: Table) -> None:
    path = table(100)
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *reversed(rows)]) + "\n")
    assert seen()["data.sort"] is True


def test_several_series_are_told_apart(table: Table) -> None:
    path = table(100, header=("when", "site", "load"), cells=lambda i: ["north", i % 7])
    header, *rows = path.read_text().splitlines()
    both = [row for line in rows for row in (line, line.replace("north", "south"))]
    path.write_text("\n".join([header, *both]) + "\n")
    assert seen()["data.group_by"] == "site"


def test_several_columns_of_numbers(table: Table) -> None:
    table(100, header=("when", "load", "heat"), cells=lambda i: [i % 7, i % 3])
    with pytest.raises(UserError, match="several numeric columns"):
        seen()
    own = load(["experiment=csv", "data.path='my load.csv'", "data.value=heat"]).own_file
    assert own is not None
    assert any("load (numbers)" in note for note in own.look.notes)
    table(100, header=("when", "load", "Value"), cells=lambda i: [i % 7, i % 3])
    assert seen()["data.value"] == "Value"


def test_without_dates_nothing_is_said_of_them(table: Table) -> None:
    path = table(10)
    path.write_text("load\n" + "\n".join(str(i % 7) for i in range(100)) + "\n")
    assert set(seen()) == {"data.value"}


def test_what_the_user_sets_stands(table: Table) -> None:
    table(24 * 60)
    found = seen("encoder.fields.timestamp.time_of_day.size=99", "data.timestamp=[]")
    assert "time_of_day" not in found
    assert "data.timestamp" not in found


def test_the_file_that_is_written_gives_the_same_run(
    table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table(24 * 30, cells=lambda i: ["" if i == 50 else i % 7])
    given = ["experiment=csv", "data.path='my load.csv'", "sp.columns=64", "seeds=[3]", "sp=local",
             "sp.column_shape=[8,8]", "tracking=none"]  # fmt: skip
    assert main(["train", *given, "--dry-run"]) == 0
    written = tmp_path / "my_load.yaml"
    assert "(a run writes this to my_load.yaml, to be edited)" in capsys.readouterr().out
    assert not written.exists()
    assert main(["train", *given, "arms=[persistence]"]) == 0
    said = capsys.readouterr().out
    assert "data.missing=previous: 1 row has no value" in said
    assert "my_load.yaml: written; edit it, then htmrun train my_load.yaml" in said
    assert yaml.safe_load(written.read_text())["data"]["missing"] == "previous"
    again = load(["my_load.yaml"])
    assert again.own_file is None
    assert again.resolved == load([*given, "arms=[persistence]"]).resolved
    assert load(["my_load.yaml", "sp.density=0.25"]).resolved["sp"]["density"] == 0.25


def test_a_file_of_the_user_is_not_written_over(
    table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table(48)
    (tmp_path / "my_load.yaml").write_text("mine\n")
    given = ["experiment=csv", "data.path='my load.csv'", "arms=[persistence]", "tracking=none"]
    assert main(["train", *given]) == 0
    assert "left as it is" in capsys.readouterr().out
    assert (tmp_path / "my_load.yaml").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("experiment: strem\n", "mine.yaml: experiment: found 'strem', .*did you mean 'stream'?"),
        ("experiment: stream\nsp: locl\n", "mine.yaml: sp: found 'locl', .*did you mean 'local'?"),
        ("experiment: stream\nsp: {colums: 3}\n", "sp.colums: unknown field"),
        ("sp: {columns: 3}\n", "found no section 'pipeline', expected a whole configuration"),
    ],
)
def test_a_configuration_file_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        load(["mine.yaml"])
    assert re.search(line.replace("?", r"\?"), str(error.value)), error.value


def test_a_file_builds_on_an_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("experiment: digits\narm: [online]\nsp: {columns: 512}\n")
    found = load(["mine.yaml", "sp.density=0.05"]).resolved
    assert list(found["arm"]) == ["online"]
    assert (found["sp"]["columns"], found["sp"]["density"]) == (512, 0.05)
    assert found["classifier"] == load(["experiment=digits"]).resolved["classifier"]
    with pytest.raises(UserError, match="beside the file mine"):
        load(["mine.yaml", "experiment=stream"])


@pytest.mark.parametrize("given", [[], ["data.path=no.csv"], ["data=digits"]])
def test_without_a_file_there_is_nothing_to_look_at(given: list[str]) -> None:
    with pytest.raises(UserError, match=r"^data(\.path)?: "):
        load(["experiment=csv", *given])
