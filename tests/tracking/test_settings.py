"""Parameters and addresses in the form that MLflow takes."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from htmrun.tracking import database, links
from htmrun.tracking.settings import flatten, legal_name, to_yaml
from htmrun.tracking.store import hide_password, store_uri


def test_flatten_dots_mappings_and_lists_of_mappings() -> None:
    nested = {
        "sp": {"columns": 2048, "shape": None, "learn": True},
        "stages": [{"kind": "a"}, {"kind": "b", "empty": {}}],
        "seeds": (0, 1),
        "rate": 1e-05,
        "name": "x y",
    }
    assert flatten(nested) == {
        "sp.columns": "2048",
        "sp.shape": "null",
        "sp.learn": "true",
        "stages.0.kind": "a",
        "stages.1.kind": "b",
        "stages.1.empty": "{}",
        "seeds": "[0, 1]",
        "rate": "1e-05",
        "name": "x y",
    }


def test_limits_of_mlflow_are_kept() -> None:
    from mlflow.utils.validation import _validate_param

    flat = flatten({"a" * 400: "v" * 9000, "b[0]#c": 1})
    for name, value in flat.items():
        _validate_param(name, value)
    assert next(iter(flat.values())).endswith("...")
    assert legal_name("b[0]#c") == "b_0__c"


@pytest.mark.parametrize(
    "values",
    [
        {"sp": {"columns": 2048, "shape": None, "rate": 1.5e-7}, "seeds": (0, 1), "empty": {}},
        {"words": "a: b # c, 'd' - " * 20, "number": "1e5", "truth": "yes", "date": "2026-11-29"},
        {
            "quoted": 'a "word"',
            "lines": "one\ntwo",
            "far": "\N{GRINNING FACE} é " * 30,
            "tab": "\t",
        },
        {"key " * 40: 1, "k": {"deep": [{"a": [1, [2]]}, "- x", "? y", "", " z "]}},
    ],
)
def test_yaml_is_that_of_the_slow_writer(values: dict[str, Any]) -> None:
    plain = json.loads(json.dumps(values))
    assert to_yaml(values) == yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def test_yaml_reads_back_as_it_was() -> None:
    plain = {"b": {"seeds": [0, 1], "x": None}, "a": "é"}
    text = to_yaml({"b": {"seeds": (0, 1), "x": None}, "a": "é"})
    assert yaml.safe_load(text) == plain
    assert text.index("b:") < text.index("a:")


def test_store_address_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert store_uri(None, "runs") == f"sqlite:///{tmp_path}/runs/mlflow.db"
    assert store_uri("sqlite:///x.db", "runs") == f"sqlite:///{tmp_path}/x.db"
    assert store_uri("https://host:5000/", "runs") == "https://host:5000"
    server = "postgresql+psycopg2://me:pw@host/db"
    assert store_uri(server, "runs") == server


def test_write_ahead_log_only_on_local_file_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, expected in {"ext4": "wal", "nfs4": "delete", "": "delete"}.items():
        path = tmp_path / f"{name or 'unknown'}.db"
        monkeypatch.setattr(database, "file_system", lambda _, name=name: name)
        database._use_write_ahead_log(path)
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == (expected,)


def test_passwords_are_not_shown() -> None:
    assert hide_password("postgresql://me:pw@host/db") == "postgresql://***@host/db"
    assert links.charts("http://me:pw@host:1", "1", "r").startswith("http://host:1/#/experiments/1")
