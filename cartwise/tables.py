"""Tables for people, and one line of JSON for machines: how a command ends."""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

Rows = Iterable[tuple[str, str]]


def present(facts: Mapping[str, Any], picture: RenderableType, *, as_json: bool) -> None:
    """Tell on the standard output what a command found."""
    if as_json:
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        Console().print(picture, crop=False)
    sys.stdout.flush()


def facts_table(title: str, rows: Rows) -> Table:
    """Names and values, a row each."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(f"[dim]{escape(name)}", escape(value))
    return table


def columns_table(title: str, *columns: str) -> Table:
    """An empty table; numbers stand right, what is called "" or "part" stands left."""
    table = Table(
        title=title, title_justify="left", caption_justify="left", box=None, padding=(0, 2)
    )
    for name in columns:
        table.add_column(name, justify="left" if name in {"", "part"} else "right")
    return table
