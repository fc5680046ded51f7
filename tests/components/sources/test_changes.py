"""Changes that are made to a series on purpose."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from htmrun.components.sources import open_source
from htmrun.components.sources.bundled import PUBLISHED
from htmrun.components.sources.series import SeriesParameters, SeriesSource
from htmrun.config.compose import load
from htmrun.errors import UserError

START = datetime(2015, 4, 1)  # A Wednesday.
ROWS = 24 * 14


@pytest.fixture
def path(tmp_path: Path) -> Path:
    lines = [f"{START + timedelta(hours=i)},{100 + i}" for i in range(ROWS)]
    file = tmp_path / "hours.csv"
    file.write_text("time,load\n" + "\n".join(lines) + "\n")
    return file


def values(path: Path, changes: list[dict[str, object]], chunk: int = 50) -> np.ndarray:
    source = open_source(
        SeriesParameters.model_validate({"path": str(path), "changes": changes}), base_dir="/"
    )
    return np.concatenate([c.target for c in source.train(0, 0, chunk)])


def test_weekday_mornings_and_evenings_after_a_row(path: Path) -> None:
    found = values(path, [
        {"begins": 100, "hours": [7, 11], "weekdays": [0, 1, 2, 3, 4], "factor": 0.8},
        {"begins": 100, "hours": [21, 23], "weekdays": [0, 1, 2, 3, 4], "factor": 1.2},
    ])  # fmt: skip
    for i, value in enumerate(found):
        time, expected = START + timedelta(hours=i), 100.0 + i
        # Written out by the datetime of the standard library.
        if i >= 100 and time.weekday() < 5:
            expected *= 0.8 if time.hour in (7, 8, 9, 10) else 1.2 if time.hour in (21, 22) else 1
        assert value == pytest.approx(expected, rel=1e-12), time


def test_how_it_is_cut_and_what_the_encoder_sees(path: Path) -> None:
    changes: list[dict[str, object]] = [{"begins": 30, "ends": 60, "factor": 2.0, "add": -5.0}]
    assert (values(path, changes, 7) == values(path, changes, 1024)).all()
    assert values(path, changes)[[29, 30, 59, 60]].tolist() == [129, 255, 313, 160]
    source = open_source(
        SeriesParameters.model_validate({"path": str(path), "changes": changes}), base_dir="/"
    )
    (chunk,) = source.train(0, 0, 1024)
    assert (chunk.fields["value"] == chunk.target).all()
    plain = open_source(SeriesParameters.model_validate({"path": str(path)}), base_dir="/")
    assert source.fingerprint != plain.fingerprint


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("data.changes=[{begins: 5, ends: 5}]", "ends: found 5, expected more than begins = 5"),
        ("data.changes=[{hours: [11, 7]}]", r"hours: found \[11, 7\], expected the earlier one"),
        ("data.changes=[{weekdays: [7]}]", "data.changes.0..weekdays.0.: found 7, expected"),
        ("data.changes=[{factr: 2}]", "data.changes.0..factr: unknown field"),
    ],
)
def test_a_change_that_will_not_do(override: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        load(["experiment=stream", override])


def test_a_change_by_the_hour_needs_dates(path: Path) -> None:
    wanted = {"path": str(path), "timestamp": [], "value": "load", "changes": [{"hours": [1, 2]}]}
    with pytest.raises(UserError, match=r"data.changes\[0\]: found hours or weekdays"):
        SeriesSource(SeriesParameters.model_validate(wanted), Path("/"))
    late = {"path": str(path), "changes": [{"begins": ROWS}]}
    with pytest.raises(UserError, match=r"data.changes\[0\].begins: found 336"):
        _ = SeriesSource(SeriesParameters.model_validate(late), Path("/")).scan


def test_a_published_series_is_kept_where_it_was_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mirror is a folder; a file with another sum is refused."""
    content = b"time,load\n2015-04-01,1\n2015-04-02,2\n"
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "gymdata.csv").write_bytes(content)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    collection = PUBLISHED["hotgym"]
    changed = type(collection)(
        collection.title, collection.folder, (f"{mirror.as_uri()}/",), dict(collection.digests),
        collection.instead,
    )  # fmt: skip
    monkeypatch.setitem(PUBLISHED, "hotgym", changed)
    with pytest.raises(UserError, match=r"checksum differs\); give data.path=FILE"):
        SeriesSource(SeriesParameters.model_validate({"name": "hotgym"}), Path("/"))
    own = {"gymdata.csv": hashlib.sha256(content).hexdigest()}
    monkeypatch.setitem(
        PUBLISHED, "hotgym",
        type(collection)(changed.title, changed.folder, changed.mirrors, own, changed.instead),
    )  # fmt: skip
    parameters = SeriesParameters.model_validate({"name": "hotgym"})
    assert SeriesSource(parameters, Path("/")).samples == 2
    (mirror / "gymdata.csv").unlink()
    assert SeriesSource(parameters, Path("/")).samples == 2, "it is there now"
