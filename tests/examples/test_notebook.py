"""The notebook runs, and says what is stored in it: figures are exact, so they stay the same."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from tests.helpers.notebook import ROOT, run, texts

BOOK = ROOT / "examples" / "digits.ipynb"


def test_the_notebook_says_again_what_is_stored_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    stored, again = nbformat.read(BOOK, as_version=4), run(BOOK)
    assert texts(again) == texts(stored), "run python -m tests.helpers.notebook"
    assert texts(again)[-1] == "True\n"
    plots = [
        out.data["image/png"]
        for book in (stored, again)
        for cell in book.cells
        for out in cell.get("outputs", ())
        if out.output_type == "display_data"
    ]
    assert len(plots) == 2
    for plot in plots:
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(plot))).convert("RGB"))
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100, "four curves and their bands"
    assert Path(BOOK).stat().st_size < 60_000
