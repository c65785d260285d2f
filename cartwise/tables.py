"""Tables for people, and one line of JSON for machines: how a command ends."""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Rows = Iterable[tuple[str, str]]

_ANY_WIDTH: Final = 10_000


def present(facts: Mapping[str, Any], picture: RenderableType, *, as_json: bool) -> None:
    """Tell on the standard output what a command found."""
    if as_json:
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        Console().print(picture, crop=False)
    sys.stdout.flush()


class Columns(Table):
    """A table that is shown row by row where the terminal is too narrow for its columns."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        unbound = options.update(max_width=_ANY_WIDTH)
        for column in self.columns:
            if column.no_wrap:
                # Else Rich would rather cut it than take the table for too wide.
                cells = (column.header, *column.cells)
                column.min_width = max(console.measure(one).maximum for one in cells)
        if self.__rich_measure__(console, unbound).minimum <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        if self.title:
            yield Text.from_markup(str(self.title), style="table.title")
        names, *columns = self.columns
        for place, name in enumerate(names.cells):
            yield Padding(name, (0, 2))
            row = _facts()
            for column in columns:
                row.add_row(f"[dim]{column.header}", [*column.cells][place])
            yield Padding(row, (0, 2))
        if self.caption:
            yield Text.from_markup(str(self.caption), style="table.caption")


def facts_table(title: str, rows: Rows) -> Table:
    """Names and values, a row each."""
    table = _facts(title)
    for name, value in rows:
        table.add_row(f"[dim]{escape(name)}", escape(value))
    return table


def _facts(title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def whole_lines(rows: Rows) -> Text:
    """Names and what is to be copied, a line each, in one piece however narrow the terminal is."""
    lines = "\n".join(f"{name}: {value}" for name, value in rows)
    return Text(lines, no_wrap=True, overflow="ignore")


def columns_table(title: str, *columns: str) -> Columns:
    """An empty table; numbers and dates stand right and on one line, what is called "" or "part"
    stands left."""
    table = Columns(
        title=title, title_justify="left", caption_justify="left", box=None, padding=(0, 2)
    )
    for name in columns:
        justify: JustifyMethod = "left" if name in {"", "part"} else "right"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=justify == "right")
    return table
