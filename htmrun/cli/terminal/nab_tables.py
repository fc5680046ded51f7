"""The benchmark's tables: detectors, arms against each other, categories and files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.text import Text

from htmrun.cli.terminal.comparison_table import words
from htmrun.cli.terminal.packed import Column, PackedTable
from htmrun.compare import tables
from htmrun.compare.interval import INTERVAL_NOTE
from htmrun.compare.nab.corpus import Corpus
from htmrun.compare.nab.judging import Scored
from htmrun.compare.nab.report import Report
from htmrun.training.measures.nab_score import PROFILES, Detections

_LISTED = 5
_SHORT = {
    "standard": "standard",
    "reward_low_FP_rate": "reward low\nFP rate",
    "reward_low_FN_rate": "reward low\nFN rate",
}


def heading(corpus: Corpus) -> str:
    """Return what is scored, in a line."""
    absent = f"; of {len(corpus.absent)} labelled files there is no data" if corpus.absent else ""
    return (
        f"{corpus.folder}: {len(corpus.files)} files, {corpus.rows:,} rows, {corpus.windows} "
        f"windows{absent}"
    )


def shown(report: Report) -> Group:
    """Return all tables, with the notes that they need."""
    parts: list[Any] = [_detectors(report)]
    parts += [Text(line, style="dim") for line in _notes(report)]
    if report.comparison is not None and len(report.arms) > 1:
        parts += [Text(line, style="bold") for line in report.comparison.answer]
        differences = tables.differences(report.comparison)
        if differences.rows:
            parts.append(words("", [differences], report.comparison.notes))
    rows = {**report.arms, **{f"{arm}, ensemble": {0: s} for arm, s in report.ensembles.items()}}
    rows |= {name: {0: other.scored} for name, other in report.others.items()}
    parts += [_by_category(report.corpus, rows), _by_file(report.corpus, rows)]
    return Group(*parts)


def _detectors(report: Report) -> PackedTable:
    """Return everybody's scores, best threshold and fixed, best first within each kind."""
    names: list[str] = []
    styles: list[str] = []
    cells: list[list[str]] = []
    rules: list[int] = []

    def add(name: str, figures: Iterable[str], style: str = "") -> None:
        names.append(name)
        styles.append(style)
        cells.append([*figures])

    for arm in report.arms:
        seeds = len(report.arms[arm])
        control = arm in report.controls
        told = "control" if control else f"{seeds} seed{'' if seeds == 1 else 's'}"
        add(f"{arm} ({told})", _of_arm(report, arm), "dim" if control else "bold")
        if arm in report.ensembles:
            add(f"{arm}, ensemble of {seeds}", _of(report.ensembles[arm]))
    rules.append(len(names) - 1)
    for name, other in report.others.items():
        add(f"{name}{' *' if other.absent else ''}", _of(other.scored))
    rules.append(len(names) - 1)
    figures, same = report.published
    if same:
        for name, row in figures.scores.items():
            add(f"{name} (published)", _published(row), "dim")
    headings = [f"{_SHORT[p]}{end}" for p in PROFILES for end in ("", "\nfixed")]
    columns = [Column(h, [row[place] for row in cells]) for place, h in enumerate(headings)]
    return PackedTable(Column("detector", names), columns, rules, styles, title=_title(report))


def _title(report: Report) -> str:
    return (
        "score: 0 detects nothing, 100 is perfect; best threshold, and fixed at "
        f"{report.threshold:g}"
    )


def _of_arm(report: Report, arm: str) -> Iterable[str]:
    for profile in PROFILES:
        for end in ("", "_fixed"):
            interval = report.interval(arm, f"nab/{profile}{end}")
            half = interval.half
            yield f"{interval.mean:.1f}" + ("" if half is None else f" ± {half:.1f}")


def _of(scored: Scored) -> Iterable[str]:
    for profile in PROFILES:
        yield f"{scored.best[profile].normalized:.1f}"
        yield f"{scored.fixed[profile].normalized:.1f}"


def _published(row: Mapping[str, float]) -> Iterable[str]:
    for profile in PROFILES:
        yield f"{row[profile]:.1f}" if profile in row else "-"
        yield "-"


def _notes(report: Report) -> list[str]:
    notes = []
    if len(report.controls) > 1:
        notes.append("fixed thresholds of controls are their own, e.g. control.gaussian.alarm")
    if any(len(seeds) > 1 and arm not in report.controls for arm, seeds in report.arms.items()):
        notes += [INTERVAL_NOTE, "ensemble: raw scores averaged over the seeds, then judged"]
    for name, other in report.others.items():
        if other.absent:
            more = "" if len(other.absent) <= _LISTED else " ..."
            notes.append(
                f"* {name} has no scores of {len(other.absent)} of the {len(report.corpus.files)} "
                f"files and is scored on the others: {', '.join(other.absent[:_LISTED])}{more}"
            )
    figures, same = report.published
    if same:
        notes.append(f"published: {figures.source}")
    else:
        row = ", ".join(f"{name} {s['standard']:g}" for name, s in figures.scores.items())
        notes.append(
            f"published over {figures.files}, not over these {len(report.corpus.files)}, so not to "
            f"be compared: {row} (standard; {figures.source})"
        )
    return notes


def _by_category(corpus: Corpus, rows: Mapping[str, Mapping[int, Scored]]) -> PackedTable:
    names = list(dict.fromkeys(file.category for file in corpus.files.values()))
    groups = [[n for n, f in corpus.files.items() if f.category == c] for c in names]
    return _table("by category", names, groups, corpus, rows)


def _by_file(corpus: Corpus, rows: Mapping[str, Mapping[int, Scored]]) -> PackedTable:
    names = list(corpus.files)
    title = (
        "by file: points / windows found / false alerts, standard profile, its best threshold, "
        "means over seeds"
    )
    return _table(title, names, [[name] for name in names], corpus, rows)


def _table(
    title: str, names: Sequence[str], groups: Sequence[Sequence[str]], corpus: Corpus,
    rows: Mapping[str, Mapping[int, Scored]],
) -> PackedTable:  # fmt: skip
    windows = [str(sum(len(corpus.files[n].windows) for n in group)) for group in groups]
    columns = [Column("windows", windows)]
    for name, seeds in rows.items():
        cells = [_cell([s.files[n] for s in seeds.values() for n in group if n in s.files],
                       len(seeds)) for group in groups]  # fmt: skip
        columns.append(Column(name.replace(", ", ",\n"), cells))
    return PackedTable(Column("", names), columns, title=title, ruled=False)


def _cell(found: Sequence[Detections], seeds: int) -> str:
    if not found:
        return "-"
    points, windows, false = (
        sum(figures) / seeds
        for figures in zip(*((d.points, d.found, d.false) for d in found), strict=True)
    )
    return f"{points:.2f} / {windows:.3g} / {false:.3g}"
