"""A notebook run from its first cell to its last; `python -m tests.helpers.notebook` keeps that."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]


def run(path: Path) -> Any:
    """Return the notebook with the outputs of a fresh kernel; raises what a cell raises."""
    book = nbformat.read(path, as_version=4)
    NotebookClient(book, timeout=300, kernel_name="python3").execute(cwd=str(path.parent))
    for cell in book.cells:
        cell.metadata.pop("execution", None)  # When each cell ran.
    return book


def texts(book: Any) -> list[str]:
    """Return the text that each cell of code has printed."""
    return [
        "".join(out.text for out in cell.outputs if out.output_type == "stream")
        for cell in book.cells
        if cell.cell_type == "code"
    ]


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted((ROOT / "examples").glob("*.ipynb")):
        nbformat.write(run(Path(name)), name)
