"""How the help of a group lists its commands."""

from itertools import groupby
from typing import Any

from typer.core import TyperGroup


class Listed(TyperGroup):
    """Commands that are listed by panel, each with its whole sentence at any width."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list."""
        commands: list[Any] = [*self.commands.values()]
        longest = max(map(len, self.commands))
        for panel, some in groupby(commands, lambda one: one.rich_help_panel):
            with formatter.section(panel or "Commands"):
                # Without a limit, a sentence would be cut to a line.
                rows = [(one.name, one.get_short_help_str(limit=10_000)) for one in some]
                formatter.write_dl([(f"{name:{longest}}", told) for name, told in rows])
