"""Comparison of a finished experiment run: arms side by side, paired by seed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from htmrun.errors import UserError, nearest

FORMATS = ("table", "json", "csv", "markdown")


def compare(
    run: str | None,
    uri: str | None,
    directory: str,
    output_format: str = "table",
    metrics: Sequence[str] = (),
    everything: bool = False,
) -> None:
    """Print the newest experiment run, or the one whose id begins with `run`, in `output_format`.

    Shown are the figures that people compare, those named in `metrics` instead, or `everything`.
    Warnings go to stderr. Raises UserError for an unknown format, store, run or figure.
    """
    if output_format not in FORMATS:
        raise UserError(
            f"format: found '{output_format}', expected one of {', '.join(FORMATS)}"
            f"{nearest(output_format, FORMATS)}"
        )
    from htmrun.compare import formats
    from htmrun.compare.comparison import compare_arms
    from htmrun.compare.reading import read
    from htmrun.compare.selection import select

    found = read(run, uri, directory)
    shown = select(found.metrics, found.task, wanted=metrics, everything=everything)
    comparison = compare_arms(found, shown)
    for warning in comparison.warnings:
        print(warning, file=sys.stderr)
    if output_format == "table":
        from htmrun.console.terminal import console_for

        console_for(sys.stdout).print(formats.table(comparison))
    else:
        write = {"json": formats.to_json, "csv": formats.to_csv, "markdown": formats.markdown}
        print(write[output_format](comparison).rstrip("\n"))
