"""A table that keeps its words: where the columns do not fit side by side, it goes on below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

# Two blanks and a rule beside each column of a ruled table.
_RULED_GAP = 3


@dataclass(frozen=True)
class Column:
    """One column: its heading (lines separated by newlines), its cells, their style."""

    heading: str
    cells: Sequence[str]
    style: str = ""


@dataclass(frozen=True)
class PackedTable:
    """The column `first` at the left, the others beside it, in as many tables as the width needs.

    Every table repeats `first`. `rules`: rows after which a line is drawn; `styles`: of the cells
    of `first`; `bold`: (row, place in `others`) of cells that stand out. Not `ruled`: without a
    grid, which is narrower.
    """

    first: Column
    others: Sequence[Column]
    rules: Sequence[int] = ()
    styles: Sequence[str] = ()
    title: str | None = None
    bold: frozenset[tuple[int, int]] = field(default_factory=frozenset)
    ruled: bool = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the tables for the width at hand."""
        gap = self._gap(options.max_width)
        for number, places in enumerate(self._packs(options.max_width, gap)):
            yield self._table(places, gap, self.title if number == 0 else None)

    def _gap(self, width: int) -> int:
        if self.ruled:
            return _RULED_GAP
        columns = [self.first, *self.others]
        return 2 if sum(_width(column) + 2 for column in columns) <= width else 1

    def _packs(self, width: int, gap: int) -> Iterator[list[int]]:
        """Yield the places in `others` of each table; a column too wide for any stands alone."""
        left = width - int(self.ruled) - _width(self.first) - gap
        pack: list[int] = []
        used = 0
        for place, column in enumerate(self.others):
            wide = _width(column) + gap
            if pack and used + wide > left:
                yield pack
                pack, used = [], 0
            pack.append(place)
            used += wide
        yield pack

    def _table(self, places: Sequence[int], gap: int, title: str | None) -> Table:
        table = Table(
            title=title,
            title_justify="left",
            header_style="bold",
            box=box.HEAVY_HEAD if self.ruled else None,
            padding=(0, 1) if self.ruled else (0, gap, 0, 0),
        )
        table.add_column(self.first.heading, no_wrap=True)
        for place in places:
            table.add_column(Text(self.others[place].heading), justify="right")
        for row, name in enumerate(self.first.cells):
            cells = [
                Text(
                    self.others[place].cells[row],
                    style="bold" if (row, place) in self.bold else self.others[place].style,
                    no_wrap=True,
                )
                for place in places
            ]
            style = self.styles[row] if self.styles else ""
            table.add_row(Text(name, style=style), *cells, end_section=row in self.rules)
        return table


def _width(column: Column) -> int:
    return max(map(len, [*column.heading.splitlines(), *column.cells]), default=0)
