"""Tables as LaTeX: a document of its own, which a paper can input as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from htmrun.compare.tables import Words
from htmrun.training.measures.measure import RATE, STRETCHES

_ESCAPED = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "<": r"$<$", ">": r"$>$", "|": r"\textbar{}",
}  # fmt: skip
# Inside a document \@nodocument is \relax: there the file begins none of its own. Without booktabs
# its rules are \hline; tables that are too wide for the page shrink where graphicx is loaded.
_HEAD = r"""\makeatletter
\ifx\@nodocument\relax
  \def\htmrunend{}
\else
  \def\htmrunend{\end{document}}
  \documentclass{article}
  \usepackage[margin=2cm]{geometry}
  \usepackage{booktabs,graphicx}
  \begin{document}
\fi
\makeatother
\providecommand{\toprule}{\hline}
\providecommand{\midrule}{\hline}
\providecommand{\bottomrule}{\hline}
\providecommand{\htmrunfit}[1]{%
  \ifdefined\resizebox\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{#1}\else#1\fi}"""
_ROWS = 40
_SHORT = {"mae", "mape", "mse", "nll", "nrmse", "rmse", "sp", "tm", "nab", "crps", "f1"}


def latex(title: str, tables: Sequence[Words], notes: Sequence[str]) -> str:
    """Return LaTeX tables, each with caption and label; the notes stand above as comments."""
    lines = [f"% {line}" for line in (title, *notes)]
    lines.append(_HEAD)
    for table in chain.from_iterable(map(_pieces, tables)):
        columns = "l" * table.texts + "r" * (len(table.headings) - table.texts)
        lines += [
            "\\begin{table}[htbp]", "\\centering",
            f"\\caption{{{_caption(table.title, title)}}}",
            f"\\label{{tab:{_slug(table.title)}}}",
            f"\\htmrunfit{{\\begin{{tabular}}{{{columns}}}", "\\toprule",
            _row(table.headings, len(table.headings)), "\\midrule",
            *(_row(row, table.texts) for row in table.rows),
            "\\bottomrule", "\\end{tabular}}", "\\end{table}",
        ]  # fmt: skip
    return "\n".join([*lines, "\\htmrunend"]) + "\n"


def readable(name: str) -> str:
    """Return a metric's or an arm's name as a paper has it: ``"RMSE, 5 ahead (last fifth)"``."""
    if name == RATE:
        return "samples/s"
    stretch = next((s for s in STRETCHES if name.startswith(s)), "")
    name = name.removeprefix(stretch)
    stage, _, rest = name.rpartition("/")
    ahead = re.fullmatch(r"(.*[a-z])_(\d+)", rest)
    words = (ahead[1] if ahead else rest).split("_")
    said = " ".join(word.upper() if word in _SHORT else word for word in words)
    said += f", {ahead[2]} ahead" if ahead else ""
    places = [*([stage.upper() if stage in _SHORT else stage] if stage else []),
              *([_STRETCH.get(stretch, stretch.rstrip("/"))] if stretch else [])]  # fmt: skip
    return f"{said} ({', '.join(places)})".replace("_", " ") if places else said


_STRETCH = {"prequential/": "while learning", "tail/": "last fifth", "validation/": "validation"}


def _pieces(table: Words) -> list[Words]:
    """Return a table in pieces that fit a page each."""
    rows = [table.rows[at : at + _ROWS] for at in range(0, len(table.rows), _ROWS)]
    return [
        replace(table, title=f"{table.title}, {place + 1} of {len(rows)}", rows=some)
        if len(rows) > 1
        else table
        for place, some in enumerate(rows)
    ]


def _caption(title: str, run: str) -> str:
    return _escaped(f"{title[:1].upper()}{title[1:]}, run {run}.")


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\(.*?\)", "", title.lower())).strip("-")


def _row(cells: Sequence[str], texts: int) -> str:
    words = [_words(cell) if place < texts else _number(cell) for place, cell in enumerate(cells)]
    return f"{' & '.join(words)} \\\\"


def _words(cell: str) -> str:
    """Return names without the underscores and slashes of a program; signs as mathematics."""
    if cell == "d_z":
        return "$d_z$"
    parts = cell.split(" - ")
    return " $-$ ".join(_escaped(_name(part)) for part in parts)


def _name(part: str) -> str:
    control = " (control)" if part.endswith(" (control)") else ""
    name = part.removesuffix(control)
    return (readable(name) if re.fullmatch(r"[\w./@-]+", name) else name) + control


def _number(cell: str) -> str:
    return re.sub(r"(?<![\w$])-(?=\d)", "$-$", _escaped(cell))


def _escaped(text: str) -> str:
    return "".join(_ESCAPED.get(character, character) for character in text)
