"""The table of a series: a file, one that ships in a dependency, is planted or was downloaded."""

from __future__ import annotations

from pathlib import Path

from htmrun.components.sources import resolve_path
from htmrun.components.sources.bundled import PUBLISHED, bundled_series
from htmrun.components.sources.csv_table import CSVTable, Layout
from htmrun.components.sources.download import fetch
from htmrun.components.sources.planted import FLAG, planted_text
from htmrun.components.sources.series_parameters import SeriesParameters
from htmrun.components.sources.text_source import TextSource


def opened(parameters: SeriesParameters, base: Path) -> tuple[CSVTable, str, dict[str, str]]:
    """Return the table, its name, and what its kind of file is read with where nothing is said.

    The header and the first rows are read. Raises UserError for a file that cannot be.
    """
    p = parameters
    layout = Layout(p.delimiter, p.comment, p.skip_lines)
    if p.path is None and p.name in PUBLISHED:
        path = fetch(PUBLISHED[p.name]) / next(iter(PUBLISHED[p.name].digests))
        return CSVTable(TextSource(p.name, path), layout), p.name, {"missing": "error"}
    if p.path is None and p.name == "planted":
        source = TextSource(p.name, text=planted_text(p.variant))
        return CSVTable(source, layout), p.name, {"missing": "error", "label": FLAG}
    if p.path is None:
        bundled = bundled_series(p.name)
        settings = {"timestamp_format": bundled.timestamp_format, "missing": "previous"}
        return CSVTable(bundled.text, layout), str(p.name), settings
    path = resolve_path(p.path, base)
    text = TextSource(str(path), path, encoding=p.encoding, most=p.max_bytes)
    return CSVTable(text, layout), path.name.split(".")[0], {"missing": "error"}
