"""Columns of texts as categories."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.components.encoders import build_encoder
from htmrun.components.encoders.category import CategoryEncoderParameters
from htmrun.components.sources import open_source
from htmrun.components.sources.series import SeriesParameters
from htmrun.config.compose import load
from htmrun.errors import UserError

SENSORS = ["b", "a", "b", "", "a", "c", " b ", "d", "c", "a"] * 4


@pytest.fixture
def source_of(tmp_path):
    def make(cells=SENSORS, **settings):
        lines = [f"{t},{text}" for t, text in enumerate(cells)]
        (tmp_path / "a.csv").write_text("\n".join(["load,sensor", *lines]) + "\n")
        settings = {"texts": {"sensor": ()}, "missing": "previous"} | settings
        p = SeriesParameters(path="a.csv", value="load", **settings)
        return open_source(p, base_dir=tmp_path)

    return make


def codes(source, chunk=1000):
    return np.concatenate([c.fields["sensor"] for c in source.train(0, 0, chunk)]).tolist()


def test_texts_are_numbered_as_they_come_in_the_first_rows(source_of):
    # A tenth of 40 rows: b, a, b and one that is missing. c and d come later.
    source = source_of()
    expected = [0, 1, 0, 0, 1, 2, 0, 2, 2, 1] * 4
    assert codes(source) == codes(source, 7) == expected
    assert source.ranges["sensor"] == (0.0, 2.0)
    assert source.shapes == {"value": (), "sensor": ()}
    notes = [note for note in source.notes if "sensor" in note]
    assert notes[0] == "data.texts.sensor: found in the first rows b, a"
    assert notes[1].startswith("data.texts.sensor: 12 rows hold another text (first ")
    assert "a.csv:7)" in notes[1]


def test_rows_of_the_whole_file_or_a_list(source_of):
    assert codes(source_of(range="file")) == [0, 1, 0, 0, 1, 2, 0, 3, 2, 1] * 4
    listed = source_of(texts={"sensor": ("d", "c", "b", "a")})
    assert codes(listed) == [2, 3, 2, 2, 3, 1, 2, 0, 1, 3] * 4
    assert listed.ranges["sensor"] == (0.0, 4.0)
    assert not [note for note in listed.notes if "sensor" in note]
    assert codes(source_of(texts={"sensor": ("a", "b", " a", "x")}))[:3] == [1, 0, 1]
    assert codes(source_of(texts={"sensor": ("a", "b", " a")}))[5] == 2


def test_what_a_missing_text_becomes(source_of):
    assert codes(source_of(missing="skip")) == [0, 1, 0, 1, 2, 0, 2, 2, 1] * 4
    with pytest.raises(UserError, match=r"a\.csv:5: found no value in column 'sensor', expected a "
                       r"text \(or data\.missing=skip"):  # fmt: skip
        codes(source_of(missing="error"))
    assert codes(source_of(missing_values=("a",)))[:6] == [0, 0, 0, 0, 0, 1]


def test_known_texts_have_bits_of_their_own_and_all_others_share_theirs(source_of):
    source = source_of()
    p = CategoryEncoderParameters(field="sensor", active=5)
    encoder = build_encoder(p, source.shapes, 0, source.ranges)
    (chunk,) = source.train(0, 0, 1000)
    bits = encoder.encode(chunk.fields)
    rows = [frozenset(bits.row(t).tolist()) for t in range(10)]
    assert encoder.size == 15
    assert rows[0] == rows[2] == rows[3] == rows[6]
    assert rows[5] == rows[7] == rows[8]
    assert len({rows[0], rows[1], rows[5]}) == 3
    assert not rows[0] & rows[1]
    assert not rows[5] & (rows[0] | rows[1])


def test_first_rows_are_those_in_the_order_in_which_they_are_read(tmp_path):
    lines = [f"2026-01-{31 - t:02d},{t},{'new' if t < 15 else 'old'}" for t in range(30)]
    (tmp_path / "a.csv").write_text("\n".join(["when,load,age", *lines]) + "\n")
    p = SeriesParameters(path="a.csv", value="load", sort=True, texts={"age": ()})
    source = open_source(p, base_dir=tmp_path)
    assert source.vocabularies["age"].texts == ("old",)


def test_columns_of_numbers_can_be_names(source_of):
    source = source_of(["10", "2", "10"] * 5)
    assert codes(source) == [0, 1, 0] * 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"texts": {"sensr": ()}}, r"data\.texts\.sensr: .* no column 'sensr'.*did you mean"),
        ({"texts": {"load": ()}}, r"data\.texts\.load: found a column that is read as numbers too "
         r"\(data\.value\)"),
        ({"values": ("sensor",)}, r"data\.texts\.sensor: .* \(data\.values\)"),
    ],
)  # fmt: skip
def test_what_cannot_be(source_of, settings, message):
    with pytest.raises(UserError, match=message) as error:
        source_of(**settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.texts={day: []}"], r"data\.texts\.day: found 'day', which no encoder reads"),
        (["data.texts={day: []}", "encoder.fields.day.kind=rdse"],
         r"encoder\.fields\.day\.kind: found 'rdse' for the texts of 'day', .* expected category"),
        (["data.derived={change: {}}"], r"data\.derived\.change: found 'change', which no encoder"),
        (["data.values=[heat]", "data.derived={d: {of: load}}"],
         r"data\.derived\.d\.of: found 'load', expected one of value, heat"),
    ],
)  # fmt: skip
def test_what_is_read_must_be_encoded(overrides, message):
    with pytest.raises(UserError, match=message) as error:
        load(["experiment=stream", *overrides])
    assert "\n" not in str(error.value)


def test_a_column_that_is_derived_from_need_not_be_encoded():
    load(["experiment=stream", "data.values=[heat]", "data.derived={d: {of: heat}}",
          "encoder.fields.d.kind=rdse"])  # fmt: skip
