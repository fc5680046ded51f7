"""Tables of several arms and seeds as one CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from htmrun.errors import UserError
from htmrun.tracking.forecasts import Table, Tables
from htmrun.training.measures.forecasts import time_texts


def show(tables: Tables, out: TextIO) -> None:
    """Print them; whoever reads may go before the end."""
    try:
        _write(tables, out)
        out.flush()
    except BrokenPipeError:
        # Whoever read it has gone; nothing more is to be written at exit.
        sys.stdout = None


def write(tables: Tables, path: Path) -> int:
    """Write them into a file, whole or not at all; return how many rows. Raises UserError."""
    half = path.with_name(f".{path.name}.half")
    try:
        with half.open("w", encoding="utf-8", newline="") as file:
            count = _write(tables, file)
        half.replace(path)
    except OSError as error:
        raise UserError(f"--out: cannot write to {path}: {error.strerror}") from None
    finally:
        half.unlink(missing_ok=True)
    return count


def _write(tables: Tables, out: TextIO) -> int:
    """Write a header and the rows of all, one table behind the other; return how many rows."""
    every = [(arm, seed, table) for arm, seeds in tables.items() for seed, table in seeds.items()]
    names = list(dict.fromkeys(name for *_, table in every for name in table))
    writer = csv.writer(out, lineterminator="\n")
    one = len(every) == 1
    writer.writerow(names if one else ["arm", "seed", *names])
    count = 0
    for arm, seed, table in every:
        first = () if one else (arm, seed)
        for row in _rows(table, names):
            writer.writerow((*first, *row))
            count += 1
    return count


def _rows(table: Table, names: list[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table, with empty cells for columns that it does not have."""
    length = len(next(iter(table.values())))
    columns = [
        [""] * length if name not in table
        else time_texts(table[name]) if name == "time"
        else table[name].tolist()
        for name in names
    ]  # fmt: skip
    return zip(*columns, strict=True)
